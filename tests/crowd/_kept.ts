/**
 * What a client keeps of the room, read from its data directory while it does not run.
 * @module
 */

import { ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";

/**
 * Tells how far a client had read its one room.
 * @param path the data directory of a client that has ended
 * @returns the last place that it counts as read: it will not ask for it again
 */
export async function takenPlace(path: string): Promise<number> {
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await ClientStore.open(dir, () => Promise.resolve(undefined));
    try {
      const { cursors } = await store.load();
      return cursors.find(({ stream }) => stream.startsWith("room/"))?.seq ?? 0;
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}
