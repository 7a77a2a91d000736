// Aim: the whole table of a link's life, the forbidden cells too.
import { assertEquals, assertThrows } from "@std/assert";
import { type LinkState, type LinkTrigger, nextLinkState } from "../../lib/link/link_state.ts";

const TABLE: Record<LinkState, Record<LinkTrigger, LinkState | "forbidden">> = {
  handshaking: { proved: "greeting", authenticated: "open", close: "closed", drained: "forbidden", end: "closed" },
  greeting: {
    proved: "forbidden",
    authenticated: "open",
    close: "closing",
    drained: "forbidden",
    end: "closed",
  },
  open: { proved: "forbidden", authenticated: "forbidden", close: "closing", drained: "forbidden", end: "closed" },
  closing: { proved: "forbidden", authenticated: "forbidden", close: "closing", drained: "closed", end: "closed" },
  closed: { proved: "forbidden", authenticated: "forbidden", close: "closed", drained: "closed", end: "closed" },
};

for (const [state, row] of Object.entries(TABLE) as [LinkState, Record<LinkTrigger, string>][]) {
  for (const [trigger, next] of Object.entries(row) as [LinkTrigger, string][]) {
    Deno.test(`nextLinkState() answers ${next} when ${trigger} happens while ${state}`, () => {
      if (next !== "forbidden") return assertEquals<string>(nextLinkState(state, trigger), next);
      assertThrows(() => nextLinkState(state, trigger), TypeError, `${trigger} is not possible while ${state}`);
    });
  }
}
