/** What a client's store does with the changes of a session book, in memory. */

import type { Bytes } from "../../lib/bytes/writer.ts";
import type { Fingerprint } from "../../lib/e2ee/identity.ts";
import { SessionBook, type SessionBookChanges } from "../../lib/e2ee/session_book.ts";
import type { Person } from "./_people.ts";

export class BookStore {
  prekeys: Bytes | undefined;
  forgotten: Bytes | undefined;
  readonly peers = new Map<Fingerprint, Bytes>();

  /** One transaction. */
  commit(changes: SessionBookChanges): void {
    this.prekeys = changes.prekeys ?? this.prekeys;
    this.forgotten = changes.forgotten ?? this.forgotten;
    for (const { fingerprint, encoded } of changes.peers) {
      if (encoded === undefined) this.peers.delete(fingerprint);
      else this.peers.set(fingerprint, encoded);
    }
  }

  /** A copy as a backup makes one. */
  copy(): BookStore {
    const copy = new BookStore();
    copy.prekeys = this.prekeys;
    copy.forgotten = this.forgotten;
    for (const [fingerprint, encoded] of this.peers) copy.peers.set(fingerprint, encoded);
    return copy;
  }

  /** The person as after a restart. */
  async restore({ identity, certificate }: Person): Promise<Person> {
    const { prekeys, forgotten } = this;
    if (prekeys === undefined || forgotten === undefined) throw new TypeError("Cannot restore: nothing was stored");
    const peers = [...this.peers.values()];
    return {
      identity,
      certificate,
      book: await SessionBook.restore({ identity, certificate, prekeys, peers, forgotten }),
    };
  }
}

/** Stores what has changed, and gives the person as after a restart. */
export async function restarted(person: Person, store = new BookStore()): Promise<Person> {
  store.commit(person.book.takeChanges());
  return await store.restore(person);
}
