/**
 * Where a listener takes calls: one connection after the other, never more at once than it has room for.
 * @module
 */

/** How long a listener waits after the system refused it a connection. */
const ACCEPT_RETRY_MS = 100;

/** Whose door it is. */
export interface DoorOptions {
  /** Tells whether nobody is wanted any more. */
  readonly isOver: () => boolean;
  /** Tells whether there is no room for another one now. */
  readonly isFull: () => boolean;
  /** Takes a connection over. */
  readonly take: (conn: Deno.TcpConn) => void;
  /** Takes what happened. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/**
 * Takes calls until the listener is closed or nobody is wanted any more.
 * @param listener an open port
 * @param options whose door it is
 */
export async function acceptCalls(listener: Deno.TcpListener, options: DoorOptions): Promise<void> {
  const { isOver, isFull, take, log } = options;
  while (!isOver()) {
    try {
      const conn = await listener.accept();
      const reason = isOver() || isFull() ? "full" : prepare(conn);
      if (reason === undefined) {
        take(conn);
        continue;
      }
      log("linkRefused", { reason });
      conn.close();
    } catch (error) {
      if (isOver() || error instanceof Deno.errors.BadResource) return;
      log("acceptFailed", { error: error instanceof Error ? error.name : "unknown" });
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
    }
  }
}

/** Sets up a new connection; says why it cannot be used, if so: a caller may be gone before it is accepted. */
function prepare(conn: Deno.TcpConn): string | undefined {
  try {
    conn.setNoDelay(true);
    return undefined;
  } catch {
    return "gone";
  }
}
