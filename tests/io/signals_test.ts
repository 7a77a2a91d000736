import { assertEquals, assertThrows } from "@std/assert";
import { onEverySignal, onSignals, SIGNAL_ECHO_MS, type SignalName, type SignalSource } from "../../lib/io/signals.ts";

/** A system that has some signals and a clock moved by hand. */
class FakeSystem implements SignalSource {
  readonly listeners: [SignalName, () => void][] = [];
  nowMs = 0;
  constructor(readonly lacking: readonly SignalName[] = []) {}
  readonly add = (name: SignalName, listener: () => void): void => {
    if (this.lacking.includes(name)) throw new TypeError(`Invalid signal: ${name}`);
    this.listeners.push([name, listener]);
  };
  readonly remove = (name: SignalName, listener: () => void): void => {
    this.listeners.splice(this.listeners.findIndex((found) => found[0] === name && found[1] === listener), 1);
  };
  readonly steadyMs = (): number => this.nowMs;
  send(name: SignalName): void {
    for (const [found, listener] of this.listeners) if (found === name) listener();
  }
}

Deno.test("onSignals() counts repeats within a second as one, each signal by itself", () => {
  const system = new FakeSystem();
  const seen: string[] = [];
  onSignals(["SIGINT", "SIGTERM"], (name) => seen.push(`${name} ${system.nowMs}`), system);
  for (const atMs of [0, 1, SIGNAL_ECHO_MS - 1, SIGNAL_ECHO_MS, SIGNAL_ECHO_MS + 5]) {
    system.nowMs = atMs;
    system.send("SIGINT");
  }
  system.send("SIGTERM");
  assertEquals(seen, ["SIGINT 0", `SIGINT ${SIGNAL_ECHO_MS}`, `SIGTERM ${SIGNAL_ECHO_MS + 5}`]);
});

Deno.test("onSignals() leaves out what the platform lacks, and stops when told", () => {
  const system = new FakeSystem(["SIGHUP"]);
  const stop = onSignals(["SIGINT", "SIGHUP"], () => {}, system);
  assertEquals(system.listeners.map(([name]) => name), ["SIGINT"]);
  stop();
  stop();
  assertEquals(system.listeners, []);
});

Deno.test("onSignals() lets other failures surface", () => {
  const refusing: SignalSource = {
    ...new FakeSystem(),
    add: () => {
      throw new Deno.errors.PermissionDenied("no");
    },
  };
  assertThrows(() => onSignals(["SIGINT"], () => {}, refusing), Deno.errors.PermissionDenied);
});

Deno.test("onEverySignal() counts each, and stops when told", () => {
  const system = new FakeSystem(["SIGCONT"]);
  let count = 0;
  const stop = onEverySignal("SIGWINCH", () => count++, system);
  onEverySignal("SIGCONT", () => count++, system)();
  system.send("SIGWINCH");
  system.send("SIGWINCH");
  stop();
  stop();
  assertEquals([count, system.listeners.length], [2, 0]);
});

Deno.test({
  name: "onSignals() hears a signal of the system",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const heard = Promise.withResolvers<SignalName>();
    const stop = onSignals(["SIGHUP", "SIGBREAK"], heard.resolve);
    // A listener alone does not keep the event loop running.
    const awake = setInterval(() => {}, 10);
    Deno.kill(Deno.pid, "SIGHUP");
    assertEquals(await heard.promise, "SIGHUP");
    clearInterval(awake);
    stop();
  },
});
