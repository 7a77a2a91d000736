/**
 * Opening a port.
 * @module
 */

import { UserError } from "../bytes/errors.ts";

/**
 * Listens for TCP connections.
 * @param hostname the address to listen on
 * @param port 0 to 65,535; 0 for any free one
 * @returns the listener, with the port it got
 * @throws {UserError} `portInUse` when the port is taken or not allowed; `badFlag` when the address is not this machine's
 */
export function listen(hostname: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port });
  } catch (cause) {
    if (cause instanceof Deno.errors.AddrInUse) {
      throw new UserError(
        "portInUse",
        `Port ${port} is in use by another program, perhaps another relay`,
        "End that program, or choose another port with --port (0 picks a free one).",
        { cause },
      );
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw new UserError("portInUse", `Port ${port} is not open to you`, "Choose a port above 1023.", { cause });
    }
    throw new UserError("badFlag", `Cannot listen on ${hostname}: it is no address of this machine`, "Check --host.", {
      cause,
    });
  }
}
