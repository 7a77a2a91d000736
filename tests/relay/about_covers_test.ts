// Aim: `/what-the-server-knows` leaves nothing out. Everything that a relay keeps in files or remembers is listed here
// under the kind of data of which the person is told, or with the reason why it concerns nobody. What is added to the
// relay without a line here fails.
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type KnowledgeKind, SERVER_KNOWLEDGE } from "../../lib/chat/server_knowledge.ts";
import { loadRelayKey, NameStore } from "../../lib/io/relay_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SqliteEventLog } from "../../lib/io/sqlite_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { callerOf, GENERATION } from "./_workbench.ts";

/** What concerns nobody. */
const NOBODY = "nobody";
type Kind = KnowledgeKind | typeof NOBODY;
type Holds = Readonly<Record<string, Kind>>;

/** Every column of the event file. */
const COLUMNS: Holds = {
  "log.id": NOBODY,
  "log.generation": NOBODY,
  "log.floor_seq": NOBODY,
  "log.floor_at": NOBODY,
  "log.last_id": NOBODY,
  "streams.id": NOBODY,
  "streams.name": "streams",
  "streams.head": "streams",
  "streams.last_at": "streams",
  "streams.end_offset": "streams",
  "streams.first": "streams",
  "streams.first_at": "streams",
  "streams.oldest": "streams",
  "streams.oldest_offset": "streams",
  "streams.kept_from": NOBODY,
  "streams.bodies_from": NOBODY,
  "streams.handed": "streams",
  "records.stream": "published",
  "records.seq": "published",
  "records.at": "published",
  "records.offset": NOBODY,
  "records.publisher": "published",
  "records.event_id": "published",
  "records.kind": "published",
  "records.body": "received",
  "records.epoch": "ops",
  "rooms.room": "ops",
  "rooms.epoch": "ops",
  "rooms.bytes": "ops",
  "rooms.oldest": "ops",
  "rooms.oldest_at": "ops",
  "snapshots.room": "ops",
  "snapshots.epoch": "ops",
  "snapshots.body": "ops",
  "ops.room": "ops",
  "ops.epoch": "ops",
  "ops.at": "ops",
  "ops.is_departure": "ops",
  "ops.op": "ops",
};

/** Every field of a name in names.json. */
const NAMES: Holds = {
  folded: "names",
  handle: "names",
  fingerprint: "names",
  life: "names",
  createdMs: "names",
  lastSeenMs: "names",
};

/** Every file in the data directory of a relay that has run. */
const FILES: Holds = {
  "events.db": "published",
  "events.db-wal": "published",
  "names.json": "names",
  "relay.key": NOBODY,
  "lock.sqlite": NOBODY,
};

/** Every field in memory, by file and class or interface: whom it concerns, and the fields that do, with spaces between. */
const MEMORY: Readonly<Record<string, Readonly<Partial<Record<Kind, string>>>>> = {
  "about.AboutCallers": { nobody: "#options #budget" },
  "allow_list.AllowList": { admission: "#fingerprints", nobody: "#hooks #path #watch" },
  "budget.Budget": { budgets: "#left #lastMs", nobody: "#options" },
  "bundles.BundleOwner": { keys: "bundle putMs oneTimePrekeys isToldLow" },
  "bundles.BundleStore": { keys: "#owners", keyRequests: "#grants" },
  "effects.Caller": { certificate: "fingerprint handle life createdMs certificate", link: "address" },
  "effects.EffectList": { link: "items" },
  "inbox_quotas.Inbox": { received: "queue shares bytes" },
  "inbox_quotas.InboxQuotas": { received: "#inboxes #counted", nobody: "#log" },
  "inbox_quotas.Share": { received: "events bytes" },
  "inbox_quotas.TurnShares": { published: "#shares #events" },
  "inbox_quotas.Waiting": { received: "seq publisher bytes" },
  "keyed_budgets.KeyedBudgets": { budgets: "#budgets", nobody: "#options" },
  "links.Links": { link: "#byLink #byFingerprint" },
  "links.RelayLink": {
    certificate: "caller",
    link: "link subscriptions waiting isWaitingForDrain isRenewing undrainedBytes",
    rooms: "rooms",
    budgets: "pagedRequests bundleRequests",
  },
  "links.WaitingOps": { link: "kind ref room after snapshot" },
  "live_requests.LiveRequests": { keyRequests: "#pending #waitingOf #asksOf", nobody: "#lastRef #nextDeadlineMs" },
  "live_requests.PendingRequest": { keyRequests: "ref requester requesterRef by target of deadlineMs" },
  "mailboxes.Box": { codes: "mailbox expiresMs hello maker joiner" },
  "mailboxes.Mailboxes": {
    codes: "#boxes #waiting #byLink",
    budgets: "#identities #addresses",
    nobody: "#past #random", // of a mailbox that is over nobody's name is left
  },
  "mailboxes.Party": { codes: "link mails" },
  "mailboxes.Past": { nobody: "code untilMs" },
  "memory_event_log.EventRecord": { published: "key seq at offset publisher kind id", received: "body", ops: "epoch" },
  "memory_event_log.MemoryEventLog": { published: "#records", ops: "#ops", nobody: "generation #ledger" },
  "memory_event_log.Records": { published: "queue byKey oldest" },
  "memory_event_ops.MemoryOps": { ops: "#records #snapshots", nobody: "#ledger" },
  "memory_event_ops.OpRecords": { ops: "ops departures" },
  "names.NameBook": { names: "#entries #owners", nobody: "#ttlMs #namesMax" },
  "names.NameEntry": { names: "folded handle fingerprint life createdMs lastSeenMs" },
  "names.Owner": { names: "createdMs inUse names" },
  "op_ledger.OpLedger": { ops: "#rooms #committed #archived", nobody: "#limits #bytes #store" },
  "op_ledger.RoomOps": { ops: "room epoch bytes oldest oldestAt snapshot snapshotBytes" },
  "op_rules.OpRules": { budgets: "#identities #rooms #addresses #others #signs", nobody: "#isLinked" },
  "placing.Placing": { nobody: "#options #opRules" },
  "placing.StagedEvent": { published: "link message body nowMs many" },
  "placing.StagedMany": { published: "ref left refused isFailing" },
  "prekeys.Prekeys": { nobody: "#links #store #live" },
  "queue.Queue": { nobody: "#items #start" },
  "relay.Relay": {
    nobody:
      "#log #names #links #rooms #prekeys #renewals #streams #mailboxes #about #isShutDown #wakeAtMs #housekeepingAtMs " +
      "#clearAwayAtMs #namesSavedMs",
  },
  "renewals.Renewals": { link: "#untilMs" },
  "relay_host.AddressCount": { budgets: "#counts" },
  "relay_host.HostLink": { link: "tcp", certificate: "caller", admission: "psk" },
  "relay_host.RelayHost": {
    link: "#links #inputs",
    budgets: "#halfOpen #connections",
    nobody: "#options #isTurnDue #isRunning #hasFailed #isClosing #nextLink #timer #finished",
  },
  "relay_store.NameStore": { nobody: "#dir #failed #names #saving #timer" },
  "room_archive.ArchiveLoop": { nobody: "#archive #options #times #timer #running #isClosed" },
  "room_archive.Replay": { ops: "membership place" },
  "room_archive.RoomArchive": { ops: "#replays #work", nobody: "#options #limits #lookedAt #inviteRooms" },
  "rooms.Rooms": { rooms: "#members" },
  "sqlite_event_log.SqliteEventLog": {
    nobody: "generation #path #db #sql #ledger #ops #isInTransaction #failure #savedFloor #addedRows #hasMoreToTrim " +
      "#truncateAtMs #isTruncationDue",
  },
  "snapshots.SnapshotMark": { ops: "epoch lengthBytes" },
  "sqlite_event_ops.OpTable": { nobody: "#ledger #path #sql #write" },
  "stream_ledger.LedgerFloor": { nobody: "at seq" },
  "stream_ledger.StreamLedger": {
    streams: "#streams #committed #forgotten",
    nobody: "#limits #look #totals #isFull #committedTotals",
  },
  "stream_ledger.StreamState": {
    streams: "id name head lastAt endOffset first firstAt oldest oldestOffset handed",
  },
  "stream_ledger.Totals": { nobody: "bytes floor lastId" },
  "streams.Streams": {
    link: "#live",
    published: "#staged",
    nobody: "quotas #log #placing #isFailing #hasMoreToTrim",
  },
  "streams.Subscription": { link: "sentSeq isLive accepts" },
};

/** Shapes that pass from one function to another, and are kept nowhere. */
const PASSING = [
  /(Options|Hooks|Limits|Error|Closing|Changes|Claim)$/,
  /^event_log\.(EventLog|NewEvent|Place|StoredEvent|StoredOp|KeptAbout|PublishedIn|ReceivedFrom)$/,
  /^(bundles\.StoredBundle|pages\.Page|streams\.Lot|stream_ledger\.(LedgerPlace|RecordMark)|op_ledger\.(NewOp|OpMark))$/,
];

Deno.test("every column of the relay's database is of a kind that the person is told of", async () => {
  await withDataDir((path) => {
    const db = new DatabaseSync(`${path}/events.db`);
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    const columns = tables.flatMap(({ name }) =>
      db.prepare(`SELECT name FROM pragma_table_info('${name}')`).all().map((column) => `${name}.${column["name"]}`)
    );
    db.close();
    assertEquals(columns.toSorted(), Object.keys(COLUMNS).toSorted());
  });
});

Deno.test("every file of the relay and every field of names.json is of a kind that the person is told of", async () => {
  await withDataDir((path) => {
    const files = [...Deno.readDirSync(path)].map(({ name }) => name);
    assertEquals(files.filter((name) => !(name in FILES)), []);
    assert(files.includes("names.json") && files.includes("events.db"));
    const { names } = JSON.parse(Deno.readTextFileSync(`${path}/names.json`)) as { names: object[] };
    assertEquals(names.map((entry) => Object.keys(entry).toSorted()), [Object.keys(NAMES).toSorted()]);
  });
});

Deno.test("every field that the relay remembers is of a kind that the person is told of", async () => {
  const found: string[] = [];
  for (const path of await sources()) {
    const stem = path.slice(path.lastIndexOf("/") + 1, -".ts".length);
    found.push(...fieldsOf(await Deno.readTextFile(path)).map((field) => `${stem}.${field}`));
  }
  const kept = found.filter((field) => !PASSING.some((shape) => shape.test(field.slice(0, field.lastIndexOf(".")))));
  const listed = Object.entries(MEMORY).flatMap(([owner, kinds]) =>
    Object.values(kinds).flatMap((fields) => fields.split(" ").map((field) => `${owner}.${field}`))
  );
  assert(kept.length > 100);
  assertEquals(kept.filter((field) => !listed.includes(field)), [], "not listed");
  assertEquals(listed.filter((field) => !kept.includes(field)), [], "not there any more");
});

Deno.test("every kind that the person is told of is there", () => {
  const kinds = new Set<string>([
    ...Object.values(COLUMNS),
    ...Object.values(NAMES),
    ...Object.values(FILES),
    ...Object.values(MEMORY).flatMap((of) => Object.keys(of)),
    "log", // what it says on its standard error
  ]);
  kinds.delete(NOBODY);
  assertEquals([...kinds].toSorted(), Object.keys(SERVER_KNOWLEDGE).toSorted());
});

/** Makes what a relay leaves behind that somebody linked to. */
async function withDataDir(use: (path: string) => void): Promise<void> {
  const path = await Deno.makeTempDir();
  const dir = await openDataDir(path, { what: "relay" });
  try {
    await loadRelayKey(dir);
    const names = new NameBook();
    const { handle, fingerprint, life, createdMs } = callerOf("alice");
    names.bind({ handle, folded: handle, fingerprint, life, createdMs }, 1_000);
    const store = new NameStore(dir, names, (error) => {
      throw error;
    });
    store.changed();
    await store.close();
    (await SqliteEventLog.open(dir, { makeGeneration: () => GENERATION })).close();
    use(path);
  } finally {
    dir.close();
    await Deno.remove(path, { recursive: true });
  }
}

/** All code that remembers something for a relay. */
async function sources(): Promise<string[]> {
  const root = new URL("../../lib/", import.meta.url).pathname;
  const found = ["relay_host", "relay_store", "sqlite_event_log", "sqlite_event_ops", "room_archive", "allow_list"]
    .map((name) => `${root}io/${name}.ts`);
  for await (const { name } of Deno.readDir(`${root}relay`)) found.push(`${root}relay/${name}`);
  return found;
}

/** The fields of the classes and interfaces of a module: `Owner.field`. */
function fieldsOf(text: string): string[] {
  const found: string[] = [];
  let owner: string | undefined;
  let field = /^$/;
  for (const line of text.split("\n")) {
    const [, kind, name] = /^(?:export )?(class|interface) (\w+)/.exec(line) ?? [];
    if (name !== undefined) owner = name;
    if (kind === "class") field = /^ {2}(?:readonly )?(#?\w+)(?:[?!]?: | = )/;
    if (kind === "interface") field = /^ {2}(?:readonly )?(\w+)\??: /;
    if (line === "}") owner = undefined;
    const [, found1] = owner === undefined ? [] : field.exec(line) ?? [];
    if (found1 !== undefined) found.push(`${owner}.${found1}`);
  }
  return found;
}
