/**
 * How the history looks as lines: a line that says what follows, and what was kept, set in by two columns so that nobody
 * takes it for something new.
 * @module
 */

import { assertNever } from "../bytes/errors.ts";
import type { Place } from "../chat/events.ts";
import type { HistoryEvent } from "../chat/history_events.ts";
import { dim, type Look, look, name, room } from "./render_parts.ts";
import { safe, type SafeText, safeText } from "./safe_text.ts";

/**
 * Draws what the history tells.
 * @param event what
 * @param options how to draw it
 * @param drawn the lines of the entry, as it was drawn when it was new
 * @returns the lines
 */
export function renderHistory(event: HistoryEvent, options: Look, drawn: readonly SafeText[]): SafeText[] {
  switch (event.type) {
    case "history": {
      const { count, place, damaged } = event;
      const head = count === 0 && damaged === 0
        ? safe`* Nothing is kept of ${conversation(place)}`
        : safe`* The last ${count === 1 ? safeText("line") : lines(count)} of ${conversation(place)}:`;
      return [look(head, "bold", options), ...damagedLines(damaged, options)];
    }
    case "search": {
      const { count, hasMore, damaged } = event;
      const found = count === 0 ? safe`* Nothing was found` : safe`* Found ${lines(count)}:`;
      const head = hasMore ? safe`* Found more than ${lines(count)}; these are the newest:` : found;
      return [look(head, "bold", options), ...damagedLines(damaged, options)];
    }
    case "entry": {
      const at = event.relay === undefined ? [] : [dim(safe`  at another relay, ${name(event.relay)}:`, options)];
      return [...at, ...drawn.map((line) => safe`  ${line}`)];
    }
    case "forgotten": {
      const { count, place } = event;
      const head = count === 0
        ? safe`* Nothing was kept of ${conversation(place)}`
        : safe`* Deleted ${lines(count)} of ${conversation(place)} from this machine`;
      return [look(head, "yellow", options)];
    }
    default:
      return assertNever(event);
  }
}

function damagedLines(count: number, options: Look): SafeText[] {
  if (count === 0) return [];
  const are = safeText(count === 1 ? "line is" : "lines are");
  return [look(safe`! ${count} ${are} damaged and not shown`, "red", options)];
}

function lines(count: number): SafeText {
  return safe`${count} ${safeText(count === 1 ? "line" : "lines")}`;
}

function conversation(place: Place): SafeText {
  return "room" in place ? room(place.room) : safe`your conversation with ${name(place.to)}`;
}
