/**
 * What a terminal in raw mode sends, turned into keys: UTF-8 text, control characters, escape sequences, bracketed
 * paste. Bytes may be cut anywhere. Its law: an escape sequence that it does not know is dropped, never typed as text.
 * Does no I/O and knows no time: when nothing followed an ESC for a moment, the owner calls `flush()`.
 * @module
 */

/** The keys that type no text. `ctrl-x` and `alt-x` stand for any letter. */
export type KeyName =
  | "enter"
  | "tab"
  | "escape"
  | "backspace"
  | "delete"
  | "left"
  | "right"
  | "up"
  | "down"
  | "home"
  | "end"
  | `ctrl-${string}`
  | `alt-${string}`;

/** One thing that a person did at the keyboard. */
export type Key =
  /** Typed characters, without controls. */
  | { readonly kind: "text"; readonly text: string }
  /** Pasted text as it came, line breaks included; `isCut` when it was longer than `PASTE_MAX_CHARS`. */
  | { readonly kind: "paste"; readonly text: string; readonly isCut: boolean }
  | { readonly kind: "press"; readonly key: KeyName };

/** UTF-16 units of one paste that are kept: twice what a line may hold, so that the editor is the one to refuse. */
export const PASTE_MAX_CHARS = 65_536;

/** No terminal sends a longer sequence; what goes on is dropped as it comes. */
const SEQUENCE_MAX_CHARS = 64;

const PASTE_END = "\x1b[201~";

/** Final characters of `ESC [ … x` and `ESC O x`. */
const FINALS: Readonly<Record<string, KeyName>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
};
/** Numbers of `ESC [ n ~`. */
const NUMBERED: Readonly<Record<string, KeyName>> = {
  1: "home",
  3: "delete",
  4: "end",
  7: "home",
  8: "end",
};

type DecoderState = "ground" | "escape" | "csi" | "ss3" | "linuxFunction" | "string" | "stringEscape" | "paste";

/** Decodes what a terminal sends, piece by piece. */
export class KeyDecoder {
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  #state: DecoderState = "ground";
  /** The parameters of the sequence, or the paste, so far. */
  #held = "";
  #pasteIsCut = false;
  #lastWasReturn = false;
  #keys: Key[] = [];

  /** Whether an ESC waits for what follows it; if nothing comes for a moment, call `flush()`. */
  get isPending(): boolean {
    return this.#state !== "ground" && this.#state !== "paste";
  }

  /**
   * Takes what arrived.
   * @param bytes any number of bytes, cut anywhere
   * @returns the keys that are complete now
   */
  push(bytes: Uint8Array): Key[] {
    for (const char of this.#utf8.decode(bytes, { stream: true })) this.#take(char);
    return this.#taken();
  }

  /**
   * Says that nothing followed for a moment: a waiting ESC was the key itself, a begun sequence is dropped. A paste
   * goes on, for slow lines pause inside it.
   * @returns the keys that are complete now
   */
  flush(): Key[] {
    if (this.#state === "escape") this.#press("escape");
    if (this.isPending) this.#state = "ground";
    return this.#taken();
  }

  #taken(): Key[] {
    const keys = this.#keys;
    this.#keys = [];
    return keys;
  }

  #take(char: string): void {
    switch (this.#state) {
      case "ground":
        return this.#takeGround(char);
      case "escape":
        return this.#takeEscape(char);
      case "csi":
        return this.#takeCsi(char);
      case "ss3":
        // The Enter of a number pad in application mode; after ESC [ the same letter is a mouse.
        return this.#takeFinal(char, char === "M" ? "enter" : FINALS[char]);
      case "linuxFunction":
        return this.#takeFinal(char, undefined);
      case "string":
        return this.#takeString(char);
      case "stringEscape":
        // ESC \ ends the string; any other ESC begins a sequence of its own.
        this.#state = "ground";
        return char === "\\" ? undefined : this.#takeEscape(char);
      case "paste":
        return this.#takePaste(char);
    }
  }

  #takeGround(char: string): void {
    const wasReturn = this.#lastWasReturn;
    this.#lastWasReturn = char === "\r";
    if (char === "\x1b") this.#state = "escape";
    else if (char === "\n" && wasReturn) return;
    else if (isControl(char)) this.#takeControl(char, "");
    else this.#type(char);
  }

  #takeEscape(char: string): void {
    this.#state = "ground";
    if (char === "\x1b") {
      this.#press("escape");
      this.#state = "escape";
    } else if (char === "[" || char === "O") {
      this.#held = "";
      this.#state = char === "[" ? "csi" : "ss3";
    } else if (/[\]PX^_]/.test(char)) this.#state = "string";
    else if (isControl(char)) this.#takeControl(char, "alt-");
    else this.#press(`alt-${char.toLowerCase()}`);
  }

  #takeCsi(char: string): void {
    if (char === "[" && this.#held === "") this.#state = "linuxFunction";
    else if (/[ -?]/.test(char)) this.#held = (this.#held + char).slice(0, SEQUENCE_MAX_CHARS);
    else if (char === "~") this.#takeNumbered();
    else this.#takeFinal(char, FINALS[char]);
  }

  #takeFinal(char: string, key: KeyName | undefined): void {
    this.#state = "ground";
    // A control character breaks the sequence off: ^C must work in the middle of garbage.
    if (isControl(char)) return this.#takeGround(char);
    // Other parameters than numbers mark a reply of the terminal or a mouse, whatever the final letter.
    if (key !== undefined && /^[0-9;]*$/.test(this.#held)) this.#press(this.#withModifier(key));
  }

  #takeNumbered(): void {
    this.#state = "ground";
    const [number = ""] = this.#held.split(";");
    if (number === "200") {
      this.#held = "";
      this.#pasteIsCut = false;
      this.#state = "paste";
      return;
    }
    const key = NUMBERED[number];
    if (key !== undefined) this.#press(this.#withModifier(key));
  }

  /** `ESC [ 1 ; m x`: m - 1 holds shift 1, alt 2, ctrl 4. Only where our keys differ by it does it count. */
  #withModifier(key: KeyName): KeyName {
    const modifiers = Number(this.#held.split(";")[1] ?? "1") - 1;
    this.#held = "";
    if (key !== "left" && key !== "right" && key !== "delete") return key;
    if (modifiers & 4) return `ctrl-${key}`;
    return modifiers & 2 ? `alt-${key}` : key;
  }

  #takeString(char: string): void {
    if (char === "\x1b") this.#state = "stringEscape";
    else if (char === "\x07" || char === "\x9c") this.#state = "ground";
    else if (char === "\x03") this.#takeFinal(char, undefined);
  }

  #takePaste(char: string): void {
    this.#held += char;
    if (char === "~" && this.#held.endsWith(PASTE_END)) {
      const text = this.#held.slice(0, -PASTE_END.length);
      this.#keys.push({ kind: "paste", text: text.slice(0, PASTE_MAX_CHARS).toWellFormed(), isCut: this.#pasteIsCut });
      this.#held = "";
      this.#state = "ground";
    } else if (this.#held.length > PASTE_MAX_CHARS + PASTE_END.length) {
      // Keep the tail: the end of the paste may have begun in it.
      this.#pasteIsCut = true;
      this.#held = this.#held.slice(0, PASTE_MAX_CHARS) + this.#held.slice(-(PASTE_END.length - 1));
    }
  }

  #takeControl(char: string, prefix: "" | "alt-"): void {
    const code = char.charCodeAt(0);
    if (char === "\r" || char === "\n") this.#press(prefix === "" ? "enter" : "alt-enter");
    else if (char === "\x7f" || char === "\b") this.#press(prefix === "" ? "backspace" : "alt-backspace");
    else if (char === "\t") this.#press(prefix === "" ? "tab" : "alt-tab");
    else if (code >= 1 && code <= 26) this.#press(`ctrl-${String.fromCharCode(code + 96)}`);
  }

  #press(key: KeyName): void {
    this.#keys.push({ kind: "press", key });
  }

  #type(char: string): void {
    const last = this.#keys.at(-1);
    if (last?.kind === "text") this.#keys[this.#keys.length - 1] = { kind: "text", text: last.text + char };
    else this.#keys.push({ kind: "text", text: char });
  }
}

function isControl(char: string): boolean {
  return /\p{Cc}/u.test(char);
}
