// Aim: the checker is silent about a good history, and each kind of fault that is planted in one makes it complain.
import { assertEquals } from "@std/assert";
import { check, checkSeals, type Fault } from "./_checker.ts";
import { formatHappening, parseHistory } from "./_history.ts";

/** Three people in one room; each has said something there, and ada something to ben. Ben was killed once. */
const GOOD = `
  0.1 ada.1 entered to="#lobby"
  0.1 ben.1 entered to="#lobby"
  0.1 cyd.1 entered to="#lobby"
  0.2 all gathered
  1.0 ada.1 wrote to="#lobby" ref=1 text="ada one"
  1.1 ada.1 accepted to="#lobby" ref=1 id="a1"
  1.2 ben.1 shown to="#lobby" from="ada" id="a1" text="ada one"
  1.2 cyd.1 shown to="#lobby" from="ada" id="a1" text="ada one"
  2.0 ben.1 wrote to="#lobby" ref=1 text="ben one"
  2.1 ben.1 accepted to="#lobby" ref=1 id="b1"
  2.2 ada.1 shown to="#lobby" from="ben" id="b1" text="ben one"
  2.2 cyd.1 shown to="#lobby" from="ben" id="b1" text="ben one"
  3.0 ada.1 wrote to="@ben" ref=2 text="ada two"
  3.1 ada.1 accepted to="@ben" ref=2 id="a2"
  3.2 ben.1 shown to="@ben" from="ada" id="a2" text="ada two"
  4.0 ada.1 wrote to="#lobby" ref=3 text="ada three"
  4.1 ada.1 accepted to="#lobby" ref=3 id="a3"
  4.2 cyd.1 shown to="#lobby" from="ada" id="a3" text="ada three"
  4.3 ben.1 wrote to="#lobby" ref=2 text="ben two"
  4.4 ben.1 asked ref=3
  4.5 ben.1 answered ref=3
  4.6 ben.1 wrote to="#lobby" ref=4 text="ben never taken"
  4.7 ben.1 killed
  5.0 ben.2 started
  5.1 ben.2 shown to="#lobby" from="ada" id="a3" text="ada three"
  5.2 ben.2 accepted to="#lobby" id="b2"
  5.3 ada.1 shown to="#lobby" from="ben" id="b2" text="ben two"
  5.3 cyd.1 shown to="#lobby" from="ben" id="b2" text="ben two"
  9.0 all over
`;

/** What is complained about, when in the good history a line is replaced by others. */
function complaints(from: string, to: string, isStrict = true): Fault["rule"][] {
  const [before, after, ...more] = GOOD.split(from);
  assertEquals([after === undefined, more.length], [false, 0], `the history has "${from}" once`);
  return check(parseHistory(`${before}${to}${after}`), { isStrict }).faults.map(({ rule }) => rule);
}

/** The same, with more at the end. */
function complaintsAfter(more: string, isStrict = true): Fault["rule"][] {
  return complaints("  9.0 all over", `${more}\n  9.0 all over`, isStrict);
}

Deno.test("check() is silent about a good history, and counts what it looked at", () => {
  for (const isStrict of [true, false]) {
    const { faults, accepted, deliveries, lostByKill, told, again } = check(parseHistory(GOOD), { isStrict });
    assertEquals({ faults, accepted, deliveries, lostByKill, told, again }, {
      faults: [],
      accepted: 5,
      deliveries: 9,
      lostByKill: 0,
      told: 0,
      again: 0,
    });
  }
});

Deno.test("check() finds a message that one of its readers never showed", () => {
  assertEquals(complaints(`  1.2 cyd.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n`, "", false), ["lost"]);
  assertEquals(complaints(`  3.2 ben.1 shown to="@ben" from="ada" id="a2" text="ada two"\n`, ""), ["lost"]);
});

Deno.test("check() finds a message that was accepted without a number and never shown", () => {
  assertEquals(
    complaintsAfter(`  6.0 ada.1 accepted to="@cyd" id="a9"\n  6.1 cyd.1 shown to="@cyd" from="ada" id="a8" text="x"`)
      .includes("invented"),
    true,
  );
  assertEquals(
    complaintsAfter(`  6.0 ada.1 wrote to="@cyd" ref=7 text="x"\n  6.1 ada.1 accepted to="@cyd" ref=7 id="a9"`),
    ["lost"],
  );
});

Deno.test("check() finds a message that a killed process showed last and no later one did, if it is strict", () => {
  const line = `  5.1 ben.2 shown to="#lobby" from="ada" id="a3" text="ada three"\n`;
  assertEquals([complaints(line, "", true), complaints(line, "", false)], [["lost"], []]);
  const later = `  4.65 ben.1 shown to="#lobby" from="ada" id="a4" text="ada four"
  6.1 cyd.1 shown to="#lobby" from="ada" id="a4" text="ada four"\n`;
  const behind = `  4.62 ada.1 wrote to="#lobby" ref=4 text="ada four"\n${later}  4.7 ben.1 killed`;
  assertEquals(complaints("  4.7 ben.1 killed", behind, false), ["reordered", "reordered"], "shown behind a later one");
  const withoutIt = GOOD.replace(line, "").replace("  4.7 ben.1 killed", behind);
  assertEquals(check(parseHistory(withoutIt), { isStrict: false }).faults.map(({ rule }) => rule), ["lost"]);
});

Deno.test("check() takes what is shown again, marked so, for what was lost, and else for nothing", () => {
  const line = `id="a3" text="ada three"\n  5.2`;
  assertEquals(complaints(line, `id="a3" again=true text="ada three"\n  5.2`), []);
  assertEquals(complaintsAfter(`  6.0 ben.2 shown to="#lobby" from="ada" id="a1" again=true text="ada one"`), []);
  assertEquals(complaintsAfter(`  6.0 ada.1 accepted to="#lobby" id="a1" again=true`), []);
});

Deno.test("check() finds a message that is shown twice, and one that is accepted twice", () => {
  assertEquals(complaintsAfter(`  6.0 ben.2 shown to="#lobby" from="ada" id="a1" text="ada one"`), ["repeated"]);
  assertEquals(complaintsAfter(`  6.0 ada.1 accepted to="#lobby" ref=1 id="a1"`), ["repeated"]);
  const rules = complaintsAfter(
    ["ada", "cyd"].map((who) => `  6.0 ${who}.1 shown to="#lobby" from="ben" id="b9" text="ben two"`).join("\n"),
  );
  assertEquals(rules, ["repeated", "repeated"], "the same line under another id");
});

Deno.test("check() finds messages of one author in another order than they were written and accepted", () => {
  const line = `  1.2 cyd.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n`;
  const late = GOOD.replace(line, "").replace("  9.0 all", `${line}  9.0 all`);
  // Ben read them in order: so the two disagree as well.
  const rules = check(parseHistory(late), { isStrict: true }).faults.map(({ rule }) => rule);
  assertEquals(rules, ["reordered", "reordered"]);
  const own = `  1.1 ada.1 accepted to="#lobby" ref=1 id="a1"\n`;
  const accepted = GOOD.replace(own, "").replace("  9.0 all", `${own}  9.0 all`);
  assertEquals(check(parseHistory(accepted), { isStrict: true }).faults.map(({ rule }) => rule), ["reordered"]);
});

Deno.test("check() finds two readers with another order of one room", () => {
  const first = `  2.2 cyd.1 shown to="#lobby" from="ben" id="b1" text="ben one"\n`;
  const moved = complaints(first, "");
  assertEquals(moved, ["lost"]);
  const text = GOOD.replace(first, "").replace("  5.3 cyd.1 shown", `${first}  5.3 cyd.1 shown`);
  assertEquals(check(parseHistory(text), { isStrict: true }).faults, [], "only ben, who wrote it, could tell");
  const others = GOOD.replace("  4.2 cyd.1", '  4.15 dan.1 entered to="#x"\n  4.2 cyd.1');
  assertEquals(check(parseHistory(others), { isStrict: true }).faults, []);
  const two = `  6.0 ada.1 wrote to="#lobby" ref=8 text="ada late"
  6.0 ben.2 wrote to="#lobby" ref=8 text="ben late"
  6.1 cyd.1 shown to="#lobby" from="ada" id="a8" text="ada late"
  6.1 cyd.1 shown to="#lobby" from="ben" id="b8" text="ben late"
  6.1 ada.1 shown to="#lobby" from="ben" id="b8" text="ben late"
  6.1 ben.2 shown to="#lobby" from="ada" id="a8" text="ada late"`;
  assertEquals(complaintsAfter(two), []);
  const dan = GOOD.replace("  0.2 all", `  0.1 dan.1 entered to="#lobby"\n  0.2 all`)
    .replaceAll(/^(.*)cyd\.1 shown(.*)$/gm, "$&\n$1dan.1 shown$2")
    .replace(
      "  9.0 all",
      `${two}
  6.2 dan.1 shown to="#lobby" from="ben" id="b8" text="ben late"
  6.2 dan.1 shown to="#lobby" from="ada" id="a8" text="ada late"
  9.0 all`,
    );
  assertEquals(check(parseHistory(dan), { isStrict: true }).faults.map(({ rule }) => rule), ["reordered"]);
});

Deno.test("check() finds a text that was altered, and one that nobody wrote", () => {
  assertEquals(
    complaints(
      `ben.1 shown to="#lobby" from="ada" id="a1" text="ada one"`,
      `ben.1 shown to="#lobby" from="ada" id="a1" text="ada 1"`,
    ),
    ["altered"],
  );
  assertEquals(complaintsAfter(`  6.0 ben.2 shown to="@ben" from="cyd" id="c1" text="cyd one"`), ["invented"]);
});

Deno.test("check() finds a text under another author, in another place, at somebody it is not for, or before it was written", () => {
  const own = `ben.1 shown to="@ben" from="ada" id="a2" text="ada two"`;
  assertEquals(complaints(own, `ben.1 shown to="@ben" from="cyd" id="a2" text="ada two"`), ["invented"]);
  assertEquals(complaints(own, `ben.1 shown to="#lobby" from="ada" id="a2" text="ada two"`), ["invented"]);
  assertEquals(complaintsAfter(`  6.0 cyd.1 shown to="@cyd" from="ada" id="a2" text="ada two"`), ["invented"]);
  assertEquals(complaintsAfter(`  6.0 dan.1 shown to="#lobby" from="ada" id="a1" text="ada one"`), ["invented"]);
  const early = GOOD.replace(`  0.2 all`, `  0.15 ben.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n  0.2 all`)
    .replace(`  1.2 ben.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n`, "");
  assertEquals(check(parseHistory(early), { isStrict: true }).faults.map(({ rule }) => rule), ["invented"]);
});

Deno.test("check() finds a line that was taken and of which nobody heard again, not one that nobody took", () => {
  const gone = GOOD.split("\n").filter((line) => !line.includes(`id="b2"`)).join("\n");
  assertEquals(check(parseHistory(gone), { isStrict: true }).faults.map(({ rule }) => rule), ["forgotten"]);
  const refused = gone.replace("  9.0", `  6.0 ben.2 refused code="unsent" text="Not sent to #lobby: ben two"\n  9.0`);
  assertEquals(check(parseHistory(refused), { isStrict: true }).faults, []);
  assertEquals(complaintsAfter(`  6.0 cyd.1 wrote to="#lobby" ref=1 text="cyd one"\n  7.0 cyd.1 ended code=0`), [
    "forgotten",
  ]);
});

Deno.test("check() finds a line that was refused and read all the same", () => {
  assertEquals(complaintsAfter(`  6.0 ada.1 refused ref=1 code="unsent" text="no"`), ["denied"]);
});

Deno.test("check() finds what is told of attacks, forks, lost rooms and faults of the program", () => {
  const said = [
    `ben.2 notice code="cannotOpen" text="A message of ada"`,
    `ben.2 gap to="#lobby" from="ada" count=1`,
    `ben.2 fork to="#lobby" from="ada"`,
    `ben.2 roomLeft to="#lobby" reason="lost"`,
    `ben.2 refused code="internal" text="Something went wrong"`,
  ];
  for (const line of said) assertEquals(complaintsAfter(`  6.0 ${line}`), ["alarm"], line);
});

Deno.test("check() lets a line come late that an old copy had in its outbox, and no other", () => {
  const late = (copiedAt: string) =>
    check(
      parseHistory(
        GOOD.replace(copiedAt, `  0.9 ada copied\n${copiedAt}`).replace("  0.2 all", "  0.2 all").replaceAll(
          /^.* ref=1 id="a1"\n|^.*shown.*id="a1".*\n/gm,
          "",
        ).replace(
          "  9.0",
          `  6.0 ada.1 killed\n  6.1 ada putBack\n  6.2 ada.2 accepted to="#lobby" id="a1"
  6.3 ben.2 shown to="#lobby" from="ada" id="a1" text="ada one"
  6.3 cyd.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n  9.0`,
        ),
      ),
      { isStrict: true },
    ).faults.map(({ rule }) => rule);
  assertEquals(late("  2.0 ben.1"), [], "it was written before the copy was made");
  assertEquals([...new Set(late("  1.0 ada.1"))], ["reordered"]);
});

Deno.test("check() takes a certificate that is not valid for told once a clock was wrong", () => {
  const told = `  6.1 ben.2 notice code="badCertificate" text="The relay showed somebody"`;
  assertEquals(complaintsAfter(told), ["alarm"]);
  assertEquals(complaintsAfter(`  6.0 ada clock byMs=-3000000000\n${told}`), []);
  assertEquals(complaintsAfter(`${told}\n  6.2 ada clock byMs=-3000000000`), ["alarm"]);
});

Deno.test("check() takes a gap for told when its author was told that as many lines were not sent", () => {
  const refused = `  6.0 ada.1 wrote to="#lobby" ref=9 text="x"\n  6.1 ada.1 refused ref=9 code="unsent" text="no"`;
  assertEquals(complaintsAfter(`${refused}\n  6.2 cyd.1 gap to="#lobby" from="ada" count=1`), []);
  assertEquals(complaintsAfter(`${refused}\n  6.2 cyd.1 gap to="#lobby" from="ada" count=2`), ["alarm"]);
});

Deno.test("check() lets a client with an old copy show again what came after the copy, and miss what it was told of", () => {
  const again =
    `  6.1 ben.2 killed\n  6.2 ben putBack\n  6.3 ben.3 shown to="#lobby" from="ada" id="a3" text="ada three"`;
  const copied = (more: string) =>
    check(
      parseHistory(GOOD.replace("  5.0 ben.2", "  4.9 ben copied\n  5.0 ben.2").replace("  9.0", `${more}\n  9.0`)),
      { isStrict: true },
    ).faults.map(({ rule }) => rule);
  assertEquals(copied(again), []);
  assertEquals(copied(`${again}\n  6.4 ben.3 shown to="#lobby" from="ada" id="a3" text="ada three"`), ["repeated"]);
  assertEquals(copied(again.replaceAll("a3", "a1").replaceAll("three", "one")), ["repeated"], "from before the copy");
  const lost = `  6.4 ada.1 wrote to="@ben" ref=9 text="late"\n  6.5 ada.1 accepted to="@ben" ref=9 id="a9"`;
  assertEquals(copied(`${again}\n${lost}`), ["lost"]);
  assertEquals(
    copied(`${again}\n${lost}\n  6.6 ben.3 notice code="cannotOpen" text="A message that says it is from ada"`),
    [],
  );
  assertEquals(copied(`${lost}\n  6.0 cyd.1 notice code="cannotOpen" text="A message of ada"`), ["lost", "alarm"]);
});

Deno.test("check() takes a missing message for told when its author was told that its reader lacks keys, for a while", () => {
  const line = `  1.2 cyd.1 shown to="#lobby" from="ada" id="a1" text="ada one"\n`;
  const told = `  1.05 ada.1 notice code="keysMissing" text="cyd cannot read what you write yet"\n`;
  const without = GOOD.replace(line, "");
  const rules = (text: string) => check(parseHistory(text), { isStrict: true }).faults.map(({ rule }) => rule);
  assertEquals(rules(without.replace("  1.1 ada", `${told}  1.1 ada`)), []);
  assertEquals(rules(without.replace("  1.1 ada", `${told.replace("cyd", "ben")}  1.1 ada`)), ["lost"]);
  assertEquals(rules(without.replace("  9.0", `${told}  9.0`)), ["lost"], "too late");
});

Deno.test("check() leaves out what is done after a run was given up", () => {
  const cut = GOOD.replace("  1.2 ben.1", `  1.15 all givenUp why="stuck"\n  1.2 ben.1`);
  assertEquals(check(parseHistory(cut), { isStrict: true }).faults.map(({ rule }) => rule), ["lost", "lost"]);
});

Deno.test("checkSeals() finds a key that is used twice with one IV, in one process or in two", () => {
  const [one, two, three] = ["1", "2", "3"].map((digit) => digit.repeat(64)) as [string, string, string];
  assertEquals(checkSeals([{ who: "ada", hashes: [one, two] }, { who: "ben", hashes: [three] }]), {
    seals: 3,
    faults: [],
  });
  for (
    const notes of [[{ who: "ada", hashes: [one, two, one] }], [{ who: "ada", hashes: [one] }, {
      who: "ben",
      hashes: [two, one],
    }]]
  ) {
    assertEquals(checkSeals(notes).faults.map(({ rule }) => rule), ["reused"]);
  }
});

Deno.test("parseHistory() gives back what formatHappening() wrote", () => {
  const fields = { to: "#lobby", ref: 7, late: true, text: 'a "quoted" \\ text="x" \n and 👩‍👩‍👧 \u202e' };
  const happening = { atMs: 12_345, who: "ada", run: 2, what: "shown", fields };
  assertEquals(parseHistory(formatHappening(happening)), [happening]);
});
