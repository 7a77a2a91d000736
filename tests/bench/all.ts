/**
 * `deno task bench`: what the parts cost, each beside what it is compared with. Prints, asserts nothing.
 */
import { benchBusyRoom } from "./busy_room.ts";
import { benchCatchUp } from "./catch_up.ts";
import { benchE2ee } from "./e2ee.ts";
import { benchEventLog } from "./event_log.ts";
import { benchHistory } from "./history.ts";
import { benchLink } from "./link.ts";
import { benchNewcomer } from "./newcomer.ts";
import { benchPake } from "./pake.ts";
import { benchRelay } from "./relay.ts";
import { benchRelayProcess } from "./relay_process.ts";
import { benchResume } from "./resume.ts";
import { benchSenderKeys } from "./sender_keys.ts";
import { benchSockets } from "./sockets.ts";

console.log(`Sotto on ${Deno.build.target}, Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores\n`);
await benchE2ee();
await benchSenderKeys();
await benchBusyRoom();
await benchNewcomer();
await benchPake();
await benchLink();
await benchRelay();
await benchEventLog();
await benchHistory();
await benchSockets();
await benchRelayProcess();
await benchResume();
await benchCatchUp();
