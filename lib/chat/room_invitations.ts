/**
 * Invitations to rooms that are found no other way. A room that somebody wants us in is kept, and nothing of it is heard
 * before the person goes in.
 * @module
 */

import type { PrivateContent } from "./content.ts";
import type { People, Person } from "./people.ts";
import { freeNameOf } from "./room_choice.ts";
import type { Rooms } from "./rooms.ts";
import { notice, type Turn } from "./turn.ts";

/** How many invitations wait for an answer. */
export const INVITATIONS_MAX = 32;
/** How many of them are of one person. */
export const INVITATIONS_EACH_MAX = 4;

/** An invitation. */
export interface Invitation {
  /** What it says. */
  readonly content: Extract<PrivateContent, { kind: "invitation" }>;
  /** Who invites. */
  readonly by: Person;
}

/**
 * Takes an invitation. One to a room that we are in, as far as we know, is kept aside: the log may have yet to say that we
 * were removed, for inbox and room are read each for itself.
 * @param parts the client's rooms, and who was met
 * @param invitation the invitation
 * @param turn time and effects
 */
export async function takeInvitation(
  { rooms, people }: { readonly rooms: Rooms; readonly people: People },
  { content, by }: Invitation,
  turn: Turn,
): Promise<void> {
  const { to, text, topic: topicText, sentAtMs } = content;
  const invitations = rooms.list().filter(({ phase }) => phase === "invited");
  const known = rooms.list().find(({ room }) => room.id === to);
  if (known !== undefined && known.phase !== "invited") return rooms.keepInvitation({ content, by });
  const { handle, fingerprint: invitedBy } = by.certificate;
  const ofThem = invitations.filter(({ record }) => record.invitedBy === invitedBy);
  const isCrowded = invitations.length >= INVITATIONS_MAX || ofThem.length >= INVITATIONS_EACH_MAX;
  if (known === undefined && isCrowded) {
    const why = "too many invitations wait for your answer; /rooms shows them";
    return notice(turn, "roomInvitation", `${handle} invites you to a room, but ${why}`);
  }
  const topic = topicText === "" ? undefined : { text: topicText, by: invitedBy, sentAtMs };
  const record = { kind: "invite", state: "invited", isCurrent: false, invitedBy, topic } as const;
  const place = known ?? await rooms.add(to, { ...record, name: freeNameOf(rooms, text) }, turn);
  const { handle: _, ...key } = people.show(by);
  turn.effects.push({ kind: "show", event: { type: "invited", room: place.name, by: handle, ...key } });
}
