/** Meeting by a code: the one map in BigInt, and both ends of a whole exchange, beside one X25519. */
import { utf8 } from "../../lib/bytes/writer.ts";
import { generateDhKeyPair, x25519 } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { CodePake } from "../../lib/pake/code_pake.ts";
import { elligator2 } from "../../lib/pake/elligator2.ts";
import { measure, report } from "./_measure.ts";

const RUNS = 100;

/** Prints the table. */
export async function benchPake(): Promise<void> {
  console.log("Meeting by a code:");
  const { publicBytes, privateBytes } = await generateDhKeyPair();
  const bare = await measure(RUNS, async () => {
    for (let i = 0; i < RUNS; i++) await x25519(privateBytes, publicBytes);
  });
  report("one X25519", bare);

  const element = secureRandom(32);
  const map = await measure(RUNS, () => {
    for (let i = 0; i < RUNS; i++) elligator2(element);
  });
  report("Elligator 2 in BigInt", map, `${(map.cpuMicros / bare.cpuMicros).toFixed(1)} × one X25519`);

  const other = (await generateDhKeyPair()).publicBytes;
  const exchange = await measure(RUNS, async () => {
    for (let i = 0; i < RUNS; i++) {
      const shared = {
        prs: utf8("able-sunset-violin"),
        mailbox: utf8("7KQ2"),
        initiatorSid: secureRandom(16),
        responderSid: secureRandom(16),
      };
      const own = { certificate: secureRandom(326), ratchetPublic: publicBytes };
      const joiner = new CodePake({ role: "initiator", ...shared, ...own });
      const theirs = { certificate: secureRandom(326), ratchetPublic: other };
      const creator = new CodePake({ role: "responder", ...shared, ...theirs });
      const { tag } = await joiner.confirm(await creator.answer(await joiner.open()));
      await creator.finish(tag);
    }
  });
  report("CPace: both ends, three messages", exchange);
  console.log();
}
