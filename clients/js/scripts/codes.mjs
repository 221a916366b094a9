// Writes src/codes.d.ts from the server's own list of codes.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const crates = fileURLToPath(new URL('../../../crates/', import.meta.url));
const target = new URL('../src/codes.d.ts', import.meta.url);

/** The codes with the names of their statuses, as the table in `Code::row` has them. */
export function codes() {
  const source = declaring('pub enum Code {');
  const rows = [...source.matchAll(/Self::\w+ => \(S::(\w+), "([a-z_]+)"/g)].map(
    ([, status, code]) => ({ status, code }),
  );
  const declared = Number(/pub const ALL: \[Self; (\d+)\]/.exec(source)?.[1]);
  if (rows.length === 0 || rows.length !== declared)
    throw new Error(`the server declares ${declared} codes, and ${rows.length} were found`);
  return rows;
}

/** Why a session was ended, as `RevokedReason::as_str` has it. */
export function reasons() {
  const source = declaring('pub enum RevokedReason {');
  const body =
    /impl RevokedReason \{[\s\S]*?fn as_str\(self\)[^{]*\{([\s\S]*?)\n {4}\}/.exec(source)?.[1] ??
    '';
  const words = [...body.matchAll(/Self::\w+ => "([a-z_]+)"/g)].map(([, word]) => word);
  const variants =
    /pub enum RevokedReason \{([\s\S]*?)\n\}/.exec(source)?.[1].match(/^ {4}[A-Z]\w*,/gm) ?? [];
  if (words.length === 0 || words.length !== variants.length)
    throw new Error(`there are ${variants.length} reasons, and ${words.length} words were found`);
  return words;
}

/**
 * The codes with which the refresh endpoint says that a session is over. The other 401s are about a
 * login or an access token.
 */
export function endings() {
  const ofAToken = [
    'not_authenticated',
    'token_invalid',
    'token_expired',
    'invalid_credentials',
    'recent_login_required',
    'second_factor_required',
    'factor_invalid',
    'pending_token_invalid',
    'factor_required',
    'device_proof_invalid',
  ];
  return codes()
    .filter(({ status, code }) => status === 'UNAUTHORIZED' && !ofAToken.includes(code))
    .map(({ code }) => code);
}

/** The text of src/codes.d.ts. */
export function text() {
  const union = (words) => words.map((word) => `\n  | '${word}'`).join('');
  return `// Made by scripts/codes.mjs from the server's own list. Do not edit.

/** What went wrong, in the server's word. It stays the same for ever. */
export type Code =${union(codes().map(({ code }) => code))};

/** The codes that mean the end of a session. */
export type EndingCode =${union(endings())};

/** With the code \`session_revoked\`: why the session was ended. */
export type Reason =${union(reasons())};
`;
}

/** The one source file of the server that declares something. */
function declaring(what) {
  const sources = readdirSync(crates, { recursive: true })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => readFileSync(crates + name, 'utf8'))
    .filter((source) => source.includes(`\n${what}\n`));
  if (sources.length !== 1)
    throw new Error(`${sources.length} files of the server say \`${what}\``);
  return sources[0];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, text());
