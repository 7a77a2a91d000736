// Aim: whatever the order of comings, goings, messages, late keys and restarts, each message is read exactly by those who
// were members at its place, once; and whoever was not never reads it. More runs: `deno task test:model`.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { checkModel } from "../support/model_runs.ts";
import { type Peer, World } from "./_room_world.ts";

const NAMES = ["ada", "ben", "cleo", "dan", "eve"] as const;
const who = fc.constantFrom(...NAMES);

/** What happens next; what makes no sense then does nothing. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("come" as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("go" as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("hold" as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("letters" as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("minutes" as const), who }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The simple truth beside the real room. */
class Model {
  readonly members = new Set<string>(["ada"]);
  readonly readable = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  /** Keys that are on their way to those who are slow. */
  readonly held = new Map<string, Peer["inbox"]>();
  said = 0;

  constructor(readonly world: World) {}

  find(name: string): Peer | undefined {
    return this.world.peers.find(({ author }) => author.certificate.handle === name);
  }

  async take({ kind, who: name }: Step): Promise<void> {
    const { world, members } = this;
    const peer = this.find(name);
    switch (kind) {
      case "say":
        return await this.#say(name, peer);
      case "come":
        if (members.has(name)) return;
        if (world.kind === "open") await world.join(name);
        else if (members.has("ada")) await world.add(world.of("ada"), name);
        members.add(name);
        return await this.#holdLetters();
      case "go":
        if (!members.has(name) || name === "ada" || peer === undefined) return; // somebody must be there to add others
        if (world.kind === "open") await world.leave(peer);
        else await world.remove(world.of("ada"), peer);
        members.delete(name);
        return await this.#holdLetters();
      case "hold":
        if (!this.held.has(name)) this.held.set(name, []);
        return;
      case "letters":
        peer?.inbox.push(...this.held.get(name) ?? []);
        this.held.delete(name);
        return await peer?.catchUp();
      case "restart":
        return await peer?.restart();
      case "minutes":
        world.nowMs += 10 * 60_000;
    }
  }

  async #say(name: string, peer: Peer | undefined): Promise<void> {
    if (peer === undefined || !this.members.has(name)) return;
    const text = `message ${++this.said}`;
    for (const member of this.members) if (member !== name) this.readable.get(member)?.push(`${name}: ${text}`);
    await peer.say(text);
    await this.#holdLetters();
  }

  /** Keys to the slow wait; all the rest is delivered. */
  async #holdLetters(): Promise<void> {
    for (const [name, letters] of this.held) letters.push(...this.find(name)?.inbox.splice(0) ?? []);
    await this.world.settle();
  }
}

async function run(kind: "open" | "invite", plan: readonly Step[]): Promise<void> {
  const model = new Model(await World[kind]("ada"));
  for (const one of plan) await model.take(one);
  for (const name of NAMES) await model.take({ kind: "letters", who: name });
  for (const peer of model.world.peers) {
    const { handle } = peer.author.certificate;
    assertEquals(peer.texts.toSorted(), model.readable.get(handle)?.toSorted(), handle);
    assertEquals(peer.notices, [], handle);
  }
}

for (const kind of ["open", "invite"] as const) {
  Deno.test(`Room: in an ${kind} room everybody reads exactly what was placed while they were members`, async (t) => {
    const steps = fc.array(step, { minLength: 1, maxLength: 40, size: "max" });
    await checkModel(t, fc.asyncProperty(steps, (plan) => run(kind, plan)), 60);
  });
}
