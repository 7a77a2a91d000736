// Aim: what is being typed survives arriving messages at any width, and every way out gives the terminal back.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import stringWidth from "string-width";
import { safe, type SafeText, safeText } from "../../lib/cli/safe_text.ts";
import { BoundedWriter } from "../../lib/io/output.ts";
import {
  ESCAPE_WAIT_MS,
  EVENTS_MAX,
  Terminal,
  type TerminalDevice,
  type TerminalEvent,
  type TerminalOptions,
  wantsColor,
} from "../../lib/io/terminal.ts";

/** A screen that knows the sequences that `Terminal` uses and fails on any other. It keeps every row for ever. */
class Screen {
  rows: string[][] = [[]];
  row = 0;
  column = 0;
  bells = 0;
  isPasteOn = false;
  constructor(public columns: number) {}

  write(text: string): void {
    // deno-lint-ignore no-control-regex -- control characters are what a screen is told by
    for (const [token] of text.matchAll(/\x1b\[[0-?]*[@-~]|[\r\n\x07]|[^\x1b\r\n\x07]+/g)) {
      if (token === "\r") this.column = 0;
      else if (token === "\n") this.#down();
      else if (token === "\x07") this.bells++;
      else if (token.startsWith("\x1b")) this.#sequence(token);
      else for (const { segment } of new Intl.Segmenter().segment(token)) this.#put(segment);
    }
  }

  get lines(): string[] {
    return this.rows.map((row) => row.join(""));
  }

  #put(cluster: string): void {
    const width = stringWidth(cluster);
    if (this.column + width > this.columns) {
      this.column = 0;
      this.#down();
    }
    const row = this.rows[this.row] as string[];
    while (row.length < this.column) row.push(" ");
    // A wide character takes its own cell and an empty one.
    row.splice(this.column, width, cluster, ...Array<string>(Math.max(0, width - 1)).fill(""));
    this.column += width;
  }

  #down(): void {
    this.row++;
    this.rows[this.row] ??= [];
  }

  #sequence(token: string): void {
    const count = Number(/\d+/.exec(token)?.[0] ?? 1);
    if (token === "\x1b[J") {
      this.rows.length = this.row + 1;
      this.rows[this.row] = (this.rows[this.row] as string[]).slice(0, this.column);
    } else if (token.endsWith("C")) this.column = Math.min(this.columns - 1, this.column + count);
    else if (token.endsWith("A")) this.row = Math.max(0, this.row - count);
    else if (token === "\x1b[?2004h") this.isPasteOn = true;
    else if (token === "\x1b[?2004l") this.isPasteOn = false;
    else if (token === "\x1b[2J") this.rows = [[]];
    else if (token === "\x1b[H") this.row = this.column = 0;
    else throw new Error(`Unknown sequence ${JSON.stringify(token)}`);
  }
}

class FakeTerminal implements TerminalDevice {
  readonly screen: Screen;
  readonly input: ReadableStream<Uint8Array>;
  readonly writer: BoundedWriter;
  readonly terminal: Terminal;
  readonly rawChanges: boolean[] = [];
  handlers: { readonly resized: () => void; readonly resumed: () => void } | undefined;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(columns: number, options: Partial<TerminalOptions> = {}) {
    this.screen = new Screen(columns);
    this.input = new ReadableStream({ start: (controller) => void (this.#controller = controller) });
    const decoder = new TextDecoder();
    this.writer = new BoundedWriter({
      write: (bytes) => {
        this.screen.write(decoder.decode(bytes, { stream: true }));
        return Promise.resolve(bytes.length);
      },
    });
    this.terminal = new Terminal(this, { prompt: safe`ada> `, ...options });
    this.terminal.start();
  }

  rows(): number {
    return 0;
  }

  columns(): number {
    return this.screen.columns;
  }
  setRaw(isRaw: boolean): void {
    this.rawChanges.push(isRaw);
  }
  writeNow(text: string): void {
    this.screen.write(text);
  }
  watch(handlers: { readonly resized: () => void; readonly resumed: () => void }): () => void {
    this.handlers = handlers;
    return () => this.handlers = undefined;
  }

  /** Types, and waits until all of it is on the screen. */
  async type(text: string): Promise<void> {
    this.#controller.enqueue(new TextEncoder().encode(text));
    await this.shown();
  }

  async shown(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    await this.writer.drain();
  }

  hangUp(): void {
    this.#controller.close();
  }

  async next(events: AsyncGenerator<TerminalEvent, void, undefined>): Promise<TerminalEvent | void> {
    return (await events.next()).value;
  }
}

Deno.test("Terminal.print() keeps what is being typed, and the cursor in it", async () => {
  const fake = new FakeTerminal(40);
  await fake.type("hello\x1b[D\x1b[D");
  fake.terminal.print(safeText("bob: hi"), safeText("eve: me too"));
  await fake.shown();
  assertEquals(fake.screen.lines, ["bob: hi", "eve: me too", "ada> hello"]);
  assertEquals(fake.screen.column, "ada> hel".length);
  await fake.type("XY");
  assertEquals(fake.screen.lines.at(-1), "ada> helXYlo");
  await fake.terminal.close();
});

Deno.test("Terminal.events() gives lines and the end, and the row is empty after each", async () => {
  const fake = new FakeTerminal(40);
  const events = fake.terminal.events();
  await fake.type("one\rtwo\r\x03\x04");
  assertEquals(await fake.next(events), { kind: "line", text: "one" });
  assertEquals(await fake.next(events), { kind: "line", text: "two" });
  assertEquals(await fake.next(events), { kind: "interrupt" });
  assertEquals(await fake.next(events), { kind: "end" });
  assertEquals(await fake.next(events), undefined);
  assertEquals(fake.screen.lines, ["ada> "]);
  await fake.terminal.close();
});

Deno.test("Terminal.events() ends when the terminal is gone, and when it is closed", async () => {
  const gone = new FakeTerminal(40);
  gone.hangUp();
  assertEquals(await Array.fromAsync(gone.terminal.events()), [{ kind: "end" }]);
  await gone.terminal.close();
  const closed = new FakeTerminal(40);
  const events = Array.fromAsync(closed.terminal.events());
  await closed.terminal.close();
  assertEquals(await events, []);
});

Deno.test("Terminal hears Ctrl-C at once while nobody takes its events, and loses no line", async () => {
  let interrupts = 0;
  const fake = new FakeTerminal(40, { onInterrupt: () => interrupts++ });
  await fake.type("x\r".repeat(EVENTS_MAX));
  await fake.type("kept\r\x03");
  assertEquals([interrupts, fake.screen.bells, fake.screen.lines.at(-1)], [1, 1, "ada> kept"]);
  const events = fake.terminal.events();
  for (let i = 0; i < EVENTS_MAX; i++) assertEquals(await fake.next(events), { kind: "line", text: "x" });
  await fake.type("\r");
  assertEquals(await fake.next(events), { kind: "line", text: "kept" });
  await fake.terminal.close();
});

Deno.test("Terminal.takeUnread() gives what was entered and not read, then what is half typed", async () => {
  const fake = new FakeTerminal(40, { onInterrupt: () => {} });
  const events = fake.terminal.events();
  await fake.type("read\rentered\r\ralso entered\rhalf ty");
  assertEquals(await fake.next(events), { kind: "line", text: "read" });
  assertEquals(fake.terminal.takeUnread(), ["entered", "also entered", "half ty"]);
  await fake.terminal.close();
});

Deno.test("Terminal takes a paste without sending it", async () => {
  const fake = new FakeTerminal(40);
  assert(fake.screen.isPasteOn);
  await fake.type("\x1b[200~a\nb\n\x1b[201~");
  assertEquals(fake.screen.lines, ["ada> a b"]);
  await fake.terminal.close();
});

Deno.test("Terminal tells a lone ESC from a sequence after a moment", async () => {
  const fake = new FakeTerminal(40);
  await fake.type("\x1b");
  await new Promise((resolve) => setTimeout(resolve, ESCAPE_WAIT_MS + 30));
  await fake.type("b");
  assertEquals(fake.screen.lines, ["ada> b"]);
  await fake.type("\x1b");
  await fake.terminal.close();
});

Deno.test("Terminal.setPrompt() and Ctrl-L draw the row again", async () => {
  const fake = new FakeTerminal(40);
  fake.terminal.print(safeText("bob: hi"));
  await fake.type("x");
  fake.terminal.setPrompt(safe`? `);
  await fake.shown();
  assertEquals(fake.screen.lines, ["bob: hi", "? x"]);
  await fake.type("\x0c");
  assertEquals(fake.screen.lines, ["? x"]);
  await fake.terminal.close();
});

Deno.test("Terminal erases the whole row after the window was made narrower", async () => {
  const fake = new FakeTerminal(40);
  fake.terminal.print(safeText("bob: hi"));
  await fake.type("0123456789012345678901234");
  // What a terminal that reflows does with the row: 30 columns become three rows of 12.
  fake.screen.columns = 12;
  fake.screen.rows = [["bob: hi"], [..."ada> 0123456"], [..."789012345678"], [..."901234"]];
  [fake.screen.row, fake.screen.column] = [3, 6];
  fake.handlers?.resized();
  await fake.shown();
  assertEquals(fake.screen.lines, ["bob: hi", "ada> 901234"]);
  await fake.terminal.close();
});

Deno.test("Terminal takes raw mode again when the program goes on after a stop", async () => {
  const fake = new FakeTerminal(40);
  await fake.type("x");
  fake.handlers?.resumed();
  await fake.shown();
  assertEquals(fake.rawChanges, [true, true]);
  assertEquals(fake.screen.lines, ["ada> x"]);
  await fake.terminal.close();
});

Deno.test("Terminal.close() shows what was printed, erases the row and gives the terminal back once", async () => {
  const fake = new FakeTerminal(40);
  await fake.type("unsent");
  fake.terminal.print(safeText("bye"));
  await fake.terminal.close();
  await fake.terminal.close();
  fake.terminal.restore();
  assertEquals(fake.screen.lines, ["bye", ""]);
  assertEquals([fake.rawChanges, fake.screen.isPasteOn, fake.handlers], [[true, false], false, undefined]);
  fake.terminal.print(safeText("after"));
  await fake.shown();
  assertEquals(fake.screen.lines, ["bye", "after", ""]);
});

Deno.test("Terminal.restore() gives the terminal back at once, as often as it is called, and on every way out", async () => {
  const fake = new FakeTerminal(40);
  await fake.type("x");
  fake.terminal.restore();
  fake.terminal.restore();
  assertEquals([fake.rawChanges, fake.screen.isPasteOn, fake.screen.lines], [[true, false], false, [""]]);
  await fake.terminal.close();
  for (const name of ["error", "unhandledrejection", "unload"]) {
    const other = new FakeTerminal(40);
    globalThis.dispatchEvent(new Event(name));
    assertEquals(other.rawChanges, [true, false], name);
    await other.terminal.close();
  }
});

const anyLine = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
).map((text): SafeText => safeText(text));
const anyTyping = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 20 }),
  fc.constantFrom("\x1b[D", "\x1b[C", "\x1b[H", "\x7f", "\x17", "\r", "日本語", "👩‍👩‍👧", "\x1b[A", "é"),
);

Deno.test("Terminal keeps its row one row at any width, whatever is typed and printed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.oneof(anyTyping, anyLine.map((line) => ({ line }))), { size: "max", maxLength: 20 }),
      async (columns, steps) => {
        const fake = new FakeTerminal(columns);
        let printed = 0;
        for (const step of steps) {
          if (typeof step === "string") await fake.type(step);
          else {
            fake.terminal.print(step.line);
            await fake.shown();
            printed++;
          }
          // The row is the last one and the cursor is on it, short of the column in which a terminal would wrap.
          assertEquals(fake.screen.row, fake.screen.rows.length - 1);
          assert(stringWidth(fake.screen.lines.at(-1) as string) <= Math.max(0, columns - 1));
          assert(fake.screen.rows.length - 1 >= printed);
        }
        await fake.terminal.close();
        assertEquals(fake.screen.lines.at(-1), "");
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("Terminal shows every printed line once, in order, while somebody types", async () => {
  const fake = new FakeTerminal(60);
  const expected: string[] = [];
  for (let i = 0; i < 200; i++) {
    fake.terminal.print(safe`line ${i}`);
    expected.push(`line ${i}`);
    if (i % 3 === 0) await fake.type("typing ");
  }
  await fake.shown();
  assertEquals(fake.screen.lines.slice(0, -1), expected);
  assert(fake.screen.lines.at(-1)?.endsWith("typing "));
  await fake.terminal.close();
});

Deno.test("wantsColor() heeds NO_COLOR and a dumb terminal", () => {
  const envOf = (values: Record<string, string>) => ({ get: (name: string): string | undefined => values[name] });
  assertEquals(wantsColor(envOf({ TERM: "xterm" })), true);
  assertEquals(wantsColor(envOf({ NO_COLOR: "" })), true);
  assertEquals(wantsColor(envOf({ NO_COLOR: "1" })), false);
  assertEquals(wantsColor(envOf({ TERM: "dumb" })), false);
});

Deno.test("keys are told before what they make, and a nudge makes the taker look once", async () => {
  let keys = 0;
  const fake = new FakeTerminal(80, {
    onKeys: () => {
      keys++;
      fake.terminal.nudge();
      fake.terminal.nudge();
    },
  });
  const events = fake.terminal.events();
  await fake.type("hi\r");
  assertEquals(keys, 1);
  assertEquals(await fake.next(events), { kind: "nudge" });
  assertEquals(await fake.next(events), { kind: "line", text: "hi" });
  assertEquals(fake.terminal.size, { columns: 80, rows: 24 });
  await fake.terminal.close();
});
