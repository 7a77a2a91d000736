// Aim: a mailbox serves two, once; a third, a late one and one who is left alone are told; nobody can fill or walk them.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Mailbox } from "../../lib/bytes/mailbox.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { LINKS_MAX } from "../../lib/relay/links.ts";
import {
  ADDRESS_REQUESTS_BURST,
  MAIL_MAX_BYTES,
  MAIL_PER_PARTY_MAX,
  MAILBOX_LIFE_MS,
  MAILBOX_MEMORY_MS,
  MAILBOX_REQUESTS_BURST,
  MAILBOX_REQUESTS_PER_SECOND,
  MAILBOXES_MAX,
  MAILBOXES_PER_LINK_MAX,
} from "../../lib/relay/mailboxes.ts";
import type { RelayMessage } from "../../lib/wire/messages.ts";
import { RelayBench } from "./_workbench.ts";

const HELLO = { maker: utf8("half of the made"), joiner: utf8("half of the join") };

/** Makes a mailbox and takes its name. */
function create(bench: RelayBench, link: number): Mailbox {
  bench.say(link, { t: "createMailbox", ref: 5 }, HELLO.maker);
  const [answer] = bench.heard(link);
  assert(answer?.t === "mailboxCreated" && answer.ref === 5, JSON.stringify(answer));
  return answer.mailbox;
}

/** What a try to join is answered with. */
function join(bench: RelayBench, link: number, mailbox: string): string {
  bench.say(link, { t: "joinMailbox", ref: 6, mailbox: mailbox as Mailbox }, HELLO.joiner);
  const [answer] = bench.heard(link);
  assert(answer?.t === "mailboxJoined" || answer?.t === "mailboxRefused", JSON.stringify(answer));
  assertEquals(answer.ref, 6);
  return answer.t === "mailboxJoined" ? "joined" : answer.code;
}

/** A mailbox with two in it, and nothing unread. */
function pair(bench: RelayBench): { maker: number; joiner: number; mailbox: Mailbox } {
  const [maker, joiner] = [bench.open("alice"), bench.open("bob")];
  const mailbox = create(bench, maker);
  assertEquals(join(bench, joiner, mailbox), "joined");
  bench.take(maker);
  return { maker, joiner, mailbox };
}

function text(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

Deno.test("Mailboxes hand what is put in from one of the two to the other, opaque and to nobody else", () => {
  const bench = new RelayBench();
  const [alice, bob, carol] = [bench.open("alice"), bench.open("bob"), bench.open("carol")];
  const mailbox = create(bench, alice);
  bench.say(bob, { t: "joinMailbox", ref: 1, mailbox }, HELLO.joiner);
  assertEquals(bench.take(bob).map(({ message, body }) => [message.t, text(body)]), [
    ["mailboxJoined", "half of the made"],
  ]);
  assertEquals(bench.take(alice).map(({ message, body }) => [message.t, text(body)]), [
    ["mailboxPeer", "half of the join"],
  ]);
  bench.say(alice, { t: "mail", mailbox }, utf8("to bob"));
  bench.say(bob, { t: "mail", mailbox }, utf8("to alice"));
  bench.say(carol, { t: "mail", mailbox }, utf8("to anybody"));
  assertEquals(bench.take(bob).map(({ message, body }) => [message.t, text(body)]), [["mail", "to bob"]]);
  assertEquals(bench.take(alice).map(({ message, body }) => [message.t, text(body)]), [["mail", "to alice"]]);
  assertEquals([bench.take(carol), bench.closed.size], [[], 0]);
});

Deno.test("Mailboxes refuse a third, while two are there and after", () => {
  const bench = new RelayBench();
  const { joiner, mailbox } = pair(bench);
  const carol = bench.open("carol");
  assertEquals(join(bench, carol, mailbox), "taken");
  bench.say(joiner, { t: "leaveMailbox", mailbox });
  assertEquals(join(bench, carol, mailbox), "taken");
  assertEquals(join(bench, joiner, mailbox), "taken");
});

Deno.test("Mailboxes: whoever made one cannot be its second", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  const mailbox = create(bench, alice);
  assertEquals(join(bench, alice, mailbox), "taken");
  assertEquals(join(bench, bench.open("bob"), mailbox), "joined");
});

Deno.test("Mailboxes expire after ten minutes if nobody came, and that is remembered for ten more", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.open("alice"), bench.open("bob")];
  const mailbox = create(bench, alice);
  bench.pass(MAILBOX_LIFE_MS - 1);
  assertEquals(bench.heard(alice), []);
  bench.pass(1);
  assertEquals(bench.heard(alice), [{ t: "mailboxEnded", mailbox, reason: "expired" }]);
  assertEquals(join(bench, bob, mailbox), "expired");
  bench.pass(MAILBOX_MEMORY_MS);
  assertEquals(join(bench, bob, mailbox), "unknown");
});

Deno.test("Mailboxes that somebody joined do not expire", () => {
  const bench = new RelayBench();
  const { maker, joiner, mailbox } = pair(bench);
  bench.pass(3 * MAILBOX_LIFE_MS);
  bench.say(maker, { t: "mail", mailbox }, utf8("still here"));
  assertEquals(bench.heard(joiner), [{ t: "mail", mailbox }]);
});

Deno.test("Mailboxes expire by the time of a join too, however late the tick", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.open("alice"), bench.open("bob")];
  const mailbox = create(bench, alice);
  bench.nowMs += MAILBOX_LIFE_MS;
  assertEquals(join(bench, bob, mailbox), "expired");
  assertEquals(bench.heard(alice), [{ t: "mailboxEnded", mailbox, reason: "expired" }]);
});

for (
  const [how, reason] of [["leaveMailbox", "left"], ["quit", "left"], ["lost", "lost"], ["replaced", "lost"]] as const
) {
  Deno.test(`Mailboxes tell whoever is left alone: ${how}`, () => {
    for (const isMaker of [true, false]) {
      const bench = new RelayBench();
      const { maker, joiner, mailbox } = pair(bench);
      const [gone, left] = isMaker ? [maker, joiner] : [joiner, maker];
      if (how === "leaveMailbox") bench.say(gone, { t: "leaveMailbox", mailbox });
      else if (how === "replaced") bench.open(isMaker ? "alice" : "bob");
      else bench.end(gone, how);
      assertEquals(bench.heard(left), [{ t: "mailboxEnded", mailbox, reason }]);
      bench.say(left, { t: "mail", mailbox }, utf8("too late")); // on its way when the other went
      bench.say(left, { t: "leaveMailbox", mailbox });
      assertEquals([bench.heard(left), bench.closed.has(left)], [[], false]);
    }
  });
}

Deno.test("Mailboxes: one that its maker leaves alone is spent", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.open("alice"), bench.open("bob")];
  const mailbox = create(bench, alice);
  bench.say(alice, { t: "leaveMailbox", mailbox });
  assertEquals([join(bench, bob, mailbox), bench.heard(alice)], ["taken", []]);
});

Deno.test("Mailboxes: a stranger can end nobody's", () => {
  const bench = new RelayBench();
  const { maker, joiner, mailbox } = pair(bench);
  bench.say(bench.open("carol"), { t: "leaveMailbox", mailbox });
  bench.say(maker, { t: "mail", mailbox }, utf8("unharmed"));
  assertEquals(bench.heard(joiner).map(({ t }) => t), ["mail"]);
});

Deno.test("Mailboxes end a link that breaks their rules", () => {
  const breaks: ((bench: RelayBench, link: number, mailbox: Mailbox) => void)[] = [
    (bench, link) => bench.say(link, { t: "createMailbox", ref: 1 }, new Uint8Array(15)),
    (bench, link, mailbox) => bench.say(link, { t: "joinMailbox", ref: 1, mailbox }, new Uint8Array(17)),
    (bench, link, mailbox) => bench.say(link, { t: "mail", mailbox }, new Uint8Array(MAIL_MAX_BYTES + 1)),
    (bench, link, mailbox) => {
      for (let i = 0; i <= MAIL_PER_PARTY_MAX; i++) bench.say(link, { t: "mail", mailbox }, new Uint8Array(1));
    },
    (bench, link) => bench.say(link, { t: "mail", mailbox: create(bench, link) }, utf8("to nobody")),
  ];
  for (const [index, breakRule] of breaks.entries()) {
    const bench = new RelayBench();
    const { maker, joiner, mailbox } = pair(bench);
    breakRule(bench, joiner, mailbox);
    assertEquals(bench.closed.get(joiner)?.code, "protocol", `rule ${index}`);
    assertEquals(bench.heard(maker).at(-1), { t: "mailboxEnded", mailbox, reason: "lost" });
  }
});

Deno.test("Mailboxes: the longest mail and the last one allowed pass", () => {
  const bench = new RelayBench();
  const { maker, joiner, mailbox } = pair(bench);
  for (let i = 0; i < MAIL_PER_PARTY_MAX; i++) bench.say(maker, { t: "mail", mailbox }, new Uint8Array(MAIL_MAX_BYTES));
  assertEquals(bench.heard(joiner).length, MAIL_PER_PARTY_MAX);
});

Deno.test("Mailboxes: an identity may ask a few times at once, then as time goes on, also on a new link", () => {
  const bench = new RelayBench();
  let link = bench.open("mallory");
  for (let i = 0; i < MAILBOX_REQUESTS_BURST; i++) assertEquals(join(bench, link, "0000"), "unknown");
  assertEquals(join(bench, link, "0000"), "busy");
  bench.end(link);
  link = bench.open("mallory");
  assertEquals(join(bench, link, "0000"), "busy");
  bench.say(link, { t: "createMailbox", ref: 9 }, HELLO.maker);
  assertEquals(bench.heard(link), [{ t: "mailboxRefused", ref: 9, code: "busy" }]);
  bench.pass(1_000 / MAILBOX_REQUESTS_PER_SECOND);
  assertEquals([join(bench, link, "0000"), join(bench, link, "0000")], ["unknown", "busy"]);
  assertEquals(join(bench, bench.open("honest"), "0000"), "unknown");
});

Deno.test("Mailboxes: new identities at one address share a bound", () => {
  const bench = new RelayBench();
  const answers = Array.from({ length: ADDRESS_REQUESTS_BURST + 1 }, (_, i) => {
    const link = bench.open(`mallory${i}`, { address: "192.0.2.7" });
    const answer = join(bench, link, "0000");
    bench.end(link);
    return answer;
  });
  assertEquals([answers.at(-2), answers.at(-1)], ["unknown", "busy"]);
  assertEquals(join(bench, bench.open("honest", { address: "192.0.2.8" }), "0000"), "unknown");
});

Deno.test("Mailboxes: one link is in a bounded number of them", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  const made = Array.from({ length: MAILBOXES_PER_LINK_MAX }, () => create(bench, alice));
  bench.nowMs += 2_000 / MAILBOX_REQUESTS_PER_SECOND; // so that it may ask again
  bench.say(alice, { t: "createMailbox", ref: 1 }, HELLO.maker);
  assertEquals(bench.heard(alice), [{ t: "mailboxRefused", ref: 1, code: "busy" }]);
  bench.say(alice, { t: "leaveMailbox", mailbox: made[0] as Mailbox });
  create(bench, alice);
});

Deno.test("Mailboxes draw another name when one is in use, and say that they are full when none is left", () => {
  let draws = 0;
  const bench = new RelayBench({ random: (length) => new Uint8Array(length).fill(draws++ < 3 ? 1 : 2) });
  const alice = bench.open("alice");
  assertEquals([create(bench, alice), create(bench, alice)], ["1111" as Mailbox, "2222" as Mailbox]);
  bench.say(alice, { t: "createMailbox", ref: 1 }, HELLO.maker);
  assertEquals(bench.heard(alice), [{ t: "mailboxRefused", ref: 1, code: "full" }]);
});

Deno.test("Mailboxes: at the bound nobody makes another, and those there go on", () => {
  const bench = new RelayBench();
  const perLink = MAILBOX_REQUESTS_BURST;
  const links: number[] = [];
  for (let i = 0; i < MAILBOXES_MAX / perLink; i++) {
    const link = bench.open(`n${i}`);
    links.push(link);
    for (let j = 0; j < perLink; j++) create(bench, link);
  }
  assert(links.length < LINKS_MAX);
  const last = bench.open("last");
  bench.say(last, { t: "createMailbox", ref: 1 }, HELLO.maker);
  assertEquals(bench.heard(last), [{ t: "mailboxRefused", ref: 1, code: "full" }]);
  bench.end(links[0] as number);
  assert(create(bench, last).length === 4);
});

Deno.test("Mailboxes: whatever is said in whatever order, at most two are in one and each end is told once", () => {
  const names = ["a", "b", "c"] as const;
  const step = fc.record({
    who: fc.constantFrom(...names),
    what: fc.constantFrom("create", "join", "mail", "leave", "lose", "wait"),
    which: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = new RelayBench({ random: secureRandom });
      const links = new Map(names.map((name) => [name, bench.open(name)]));
      const made: Mailbox[] = [];
      const members = new Map<Mailbox, Set<number>>();
      const hear = () => {
        for (const link of links.values()) {
          for (const message of bench.heard(link)) note(message, link, made, members);
        }
      };
      for (const { who, what, which } of steps) {
        const link = links.get(who) as number;
        const mailbox = made[which];
        if (what === "create") bench.say(link, { t: "createMailbox", ref: 0 }, HELLO.maker);
        if (what === "wait") bench.pass(MAILBOX_LIFE_MS / 2);
        if (what === "join" && mailbox) bench.say(link, { t: "joinMailbox", ref: 0, mailbox }, HELLO.joiner);
        if (what === "mail" && mailbox) bench.say(link, { t: "mail", mailbox }, HELLO.joiner);
        if (what === "leave" && mailbox) {
          bench.say(link, { t: "leaveMailbox", mailbox });
          members.get(mailbox)?.delete(link);
        }
        const isClosed = bench.closed.has(link);
        if (what === "lose" && !isClosed) bench.end(link, "lost");
        if (what === "lose" || isClosed) {
          for (const inside of members.values()) inside.delete(link);
          links.set(who, bench.open(who));
        }
        hear();
      }
    }),
    { numRuns: 300 },
  );
});

/** Keeps who is in which mailbox, as the links were told. */
function note(message: RelayMessage, link: number, made: Mailbox[], members: Map<Mailbox, Set<number>>): void {
  if (message.t === "mailboxCreated") {
    assert(!members.has(message.mailbox), "a name is given out twice");
    made.push(message.mailbox);
    members.set(message.mailbox, new Set([link]));
  }
  if (message.t === "mailboxJoined") {
    const inside = members.get(message.mailbox);
    inside?.add(link);
    assert(inside !== undefined && inside.size <= 2);
  }
  if (message.t === "mailboxEnded") assert(members.get(message.mailbox)?.delete(link), "an end is told twice");
}
