/**
 * What happened, one line for each thing, in the order in which it was seen: for people to read, and for the checker.
 *
 *     seconds   who.run   what      fields
 *       12.345  ada.2     wrote     to="#lobby" ref=17 text="ada to #lobby, 17th"
 *       12.391  ada.2     accepted  to="#lobby" ref=17 id="5f…"
 *       12.393  ben.1     shown     to="#lobby" from="ada" id="5f…" text="ada to #lobby, 17th"
 *       12.400  ben.1     killed
 *
 * `run` counts the processes of one name. A value is a JSON text, number or truth value.
 * @module
 */

/** A value of a field. */
export type FieldValue = string | number | boolean;

/** What a line says beside who and what. */
export type Fields = Readonly<Record<string, FieldValue | undefined>>;

/** One thing that happened. */
export interface Happening {
  /** Milliseconds since the start; of no meaning for any rule. */
  readonly atMs: number;
  /** A client, `relay`, `net` or `all`. */
  readonly who: string;
  /** Which process of that name, from 1; 0 for what is none. */
  readonly run: number;
  /** What happened, one word. */
  readonly what: string;
  /** What there is to say about it. */
  readonly fields: Fields;
}

/** The history of one run, which is in a file as soon as it is told. */
export class History {
  readonly #startMs = performance.now();
  readonly #file: Deno.FsFile;
  readonly #all: Happening[] = [];
  readonly #told: (happening: Happening) => void;

  /**
   * Begins a history.
   * @param path the file, which is replaced
   * @param told is called with each thing that happens
   */
  constructor(path: string, told: (happening: Happening) => void) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    this.#told = told;
  }

  /** All that happened so far, in order. */
  get all(): readonly Happening[] {
    return this.#all;
  }

  /**
   * Tells one thing.
   * @param who whose doing it is
   * @param run the number of the process, 0 without one
   * @param what one word
   * @param fields what there is to say; what is `undefined` is left out
   */
  tell(who: string, run: number, what: string, fields: Fields = {}): void {
    const happening = { atMs: performance.now() - this.#startMs, who, run, what, fields };
    this.#all.push(happening);
    const bytes = new TextEncoder().encode(formatHappening(happening) + "\n");
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    this.#told(happening);
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }
}

/**
 * Writes a happening as its line.
 * @param happening what happened
 * @returns the line, without an end of line
 */
export function formatHappening({ atMs, who, run, what, fields }: Happening): string {
  const told = Object.entries(fields).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const name = run === 0 ? who : `${who}.${run}`;
  return [(atMs / 1000).toFixed(3).padStart(9), name.padEnd(9), what.padEnd(9), ...told].join(" ").trimEnd();
}

/**
 * Reads a history.
 * @param text lines as {@linkcode formatHappening} writes them; empty lines say nothing
 * @returns what happened, in order
 * @throws {Error} when a line is none of a history
 */
export function parseHistory(text: string): Happening[] {
  return text.split("\n").filter((line) => line.trim() !== "").map(parseLine);
}

const LINE = /^\s*(\d+(?:\.\d+)?)\s+([a-z]+)(?:\.(\d+))?\s+([A-Za-z]+)((?:\s+\w+=(?:"(?:[^"\\]|\\.)*"|[\w.-]+))*)\s*$/;
const FIELD = /(\w+)=("(?:[^"\\]|\\.)*"|[\w.-]+)/g;

function parseLine(line: string): Happening {
  const [, seconds, who, run, what, fields] = LINE.exec(line) ?? [];
  if (who === undefined || what === undefined) throw new Error(`Cannot read history: ${line}`);
  return {
    atMs: Number(seconds) * 1000,
    who,
    run: Number(run ?? 0),
    what,
    fields: Object.fromEntries(
      [...(fields ?? "").matchAll(FIELD)].map(([, key, value]) => [key, JSON.parse(value as string)]),
    ),
  };
}
