/**
 * `deno task bench`: what the parts cost, each beside what it is compared with. Prints, asserts nothing.
 */
import { benchE2ee } from "./e2ee.ts";
import { benchLink } from "./link.ts";
import { benchRelay } from "./relay.ts";
import { benchSockets } from "./sockets.ts";

console.log(`Sotto on ${Deno.build.target}, Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores\n`);
await benchE2ee();
await benchLink();
await benchRelay();
await benchSockets();
