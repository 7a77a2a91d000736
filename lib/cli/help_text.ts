/**
 * What `--help` prints; a test keeps it in step with the flags and within 80 columns.
 * @module
 */

/** The help of `sotto`. */
export const CLIENT_HELP = `\
sotto: end-to-end encrypted chat for a local network

Usage:
  sotto [HOST[:PORT]] [options]
  sotto identity [show | export FILE | import FILE | passphrase] [options]
  sotto relays [list | forget HOST[:PORT]] [options]
  sotto session (create | join) [HOST[:PORT]] [options]
  sotto listen [PORT] [options]
  sotto connect HOST[:PORT] [options]

  HOST[:PORT]             the relay to talk through, 127.0.0.1:5001 by default;
                          [::1]:5001 for IPv6
  identity show           tell who you are: fingerprint, words, what protects it
  identity export FILE    write your keys to a new file, for a safe or a new
                          machine; a terminal asks for its passphrase
  identity import FILE    become the identity in such a file
  identity passphrase     set, change or remove the passphrase of all that is
                          kept on this machine
  relays list             tell which relays you know
  relays forget HOST:PORT meet the relay there anew
  session create          make a code by which one person meets you, and wait
  session join            meet whoever made a code; a terminal asks for it, a
                          script gives it in SOTTO_CODE or as its first line
  listen [PORT]           wait for one person to call, without a relay; port
                          12345 by default, 0 picks a free one, --host is the
                          address to listen on (default 127.0.0.1)
  connect HOST[:PORT]     call somebody who listens

Options:
  --host HOST             the relay's host, instead of HOST above
  --port PORT             the relay's port, 1 to 65535 (default 5001)
  --name NAME             who you are to the others; without it you are asked
  --data-dir DIR          where your identity and all else is kept
  --passphrase-file FILE  the passphrase of what is kept; a terminal asks for
                          it, and SOTTO_PASSPHRASE_FILE may name the file
  --ephemeral             be somebody new, read and keep nothing on this machine
  --history-days DAYS     how long what was written is kept here, 1 to 3650
                          (default 30)
  --no-history            keep nothing of what is written from now on; what was
                          kept before stays until it is old, or /forget
  --room ROOM             the room to write in at first; without it that of the
                          last run, or lobby
  --relay-key FINGERPRINT talk only to the relay with this fingerprint
                          (52 letters and digits; spaces and dashes are fine)
  --invite-file FILE      the invitation to a private relay; a terminal asks for
                          it, and SOTTO_INVITE may hold it
  --code                  listen, connect: both must know a code, which the
                          listener prints; a terminal asks for it, a script
                          gives it in SOTTO_CODE or as its first line
  --trust-on-first-use    accept a relay that you have not met before;
                          --relay-key wins over it
  --no-receipts           tell nobody what you have got and read, and be told
                          by nobody
  --export-passphrase-file FILE
                          identity export, import: the passphrase of that file
  --new-passphrase-file FILE
                          identity passphrase: the new one
  --replace               identity import: give up the identity that is there
  --json                  speak JSON lines on standard input and output
  --verbose               tell more about what happens
  -h, --help              show this help
  --version               show the version

Examples:
  sotto                            join the lobby of a relay on this machine
  sotto 192.168.1.7 --name ada     join as ada, through another machine
  sotto connect 192.168.1.7 --code call somebody there, without a relay
  echo "build is green" | sotto --name ci --relay-key FINGERPRINT
                                   send one line from a script

In the chat, /help lists the commands; they are obeyed from a pipe too.

Exit codes:
  0  ok
  1  all else: the name is taken, the data directory cannot be used,
     text was not sent
  2  a flag or the name is malformed
  3  the relay is not there, is not a relay, speaks another version,
     or the link was lost
  4  the relay's key is unknown or has changed, a certificate was refused,
     the relay is private and the invitation is missing or void, or a
     session by code did not come about
`;

/** The help of `sotto-server`. */
export const SERVER_HELP = `\
sotto-server: the relay of Sotto, which only ever holds ciphertext

Usage:
  sotto-server [options]
  sotto-server invite [--new] [--data-dir DIR]

  invite           make the relay of DIR private, while it runs or not, and
                   print the invitation, without which nobody gets in

Options:
  --host HOST      the address to listen on (default 0.0.0.0, every IPv4 one)
  --port PORT      the port to listen on, 0 to 65535; 0 picks a free one
                   (default 5001)
  --name NAME      the name of this relay
  --data-dir DIR   where its key, its names and its log are kept
  --name-ttl DAYS  how long a name waits for its absent owner, such as 0.5
                   (default 30, at most 3650)
  --allow FILE     let in only those whose fingerprints are in FILE, one a line;
                   read again when it changes and on SIGHUP
  --new            with invite: another invitation; earlier ones are void, and
                   whoever is linked must come again
  --memory         keep the log in memory only; key and names stay in DIR
  --verbose        tell more, names too
  --json           write one JSON object a line to standard output
  -h, --help       show this help
  --version        show the version

Examples:
  sotto-server                     listen on port 5001
  sotto-server --host 127.0.0.1    for this machine alone
  sotto-server --port 0 --json     for a script, which reads the port

Exit codes:
  0  ok
  1  all else: the port is in use, the data directory cannot be used
  2  a flag is malformed
`;
