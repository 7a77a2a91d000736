import { assertEquals } from "@std/assert";
import type { UserErrorCode } from "../../lib/bytes/errors.ts";
import { exitCodeFor } from "../../lib/cli/exit_codes.ts";

// DESIGN §5, spelled out once more by hand: scripts rely on it.
const EXPECTED: Record<UserErrorCode, number> = {
  badFlag: 2,
  olderCertificate: 4,
  alreadyLinked: 1,
  nameInvalid: 2,
  relayUnreachable: 3,
  notARelay: 3,
  wrongVersion: 3,
  linkLost: 3,
  relayUnknown: 4,
  relayChanged: 4,
  notInvited: 4,
  keyChanged: 4,
  refusedCertificate: 4,
  nameTaken: 1,
  dataDirBusy: 1,
  dataDirUnusable: 1,
  portInUse: 1,
  tooLong: 1,
  noSuchPerson: 1,
  noSession: 4,
  badLine: 1,
  noSuchRoom: 1,
  notDone: 1,
  otherHistory: 1,
  unsent: 1,
  internal: 1,
};

Deno.test("exitCodeFor() gives the documented code for every error", () => {
  for (const [code, exit] of Object.entries(EXPECTED)) assertEquals(exitCodeFor(code as UserErrorCode), exit, code);
});
