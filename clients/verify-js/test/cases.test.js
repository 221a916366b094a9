// The cases of tests/verify-cases.json, which the crate countersign-verify is tested with too.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import * as verify from '@countersign/verify';

const file = JSON.parse(
  readFileSync(new URL('../../../tests/verify-cases.json', import.meta.url), 'utf8'),
);

/** Verifiers by what they are told: cases share them, and their memory of tokens. */
const verifiers = new Map();
after(() => verifiers.forEach((verifier) => verifier.close()));

for (const item of file.cases) {
  test(item.name, async () => {
    assert.deepEqual(await answerTo(item), expected(item.answer));
    // What was verified once is remembered, and counts no more than before.
    assert.deepEqual(await answerTo(item), expected(item.answer));
  });
}

test('there are as many cases as there should be', () => assert.ok(file.cases.length > 300));

async function answerTo({ method = 'GET', headers, permission, preflights = false, ...more }) {
  const wanted = permission ? named(permission) : undefined;
  const verifier = following(more);
  try {
    const who = await verifier.check({ method, headers }, wanted, { preflights });
    return { user: who && shown(who.user) };
  } catch (problem) {
    if (!(problem instanceof verify.Problem)) throw problem;
    const answer = problem.toResponse();
    return {
      status: answer.status,
      kind: answer.headers.get('content-type'),
      challenge: answer.headers.get('www-authenticate'),
      retry_after: answer.headers.get('retry-after'),
      body: await answer.json(),
    };
  }
}

function following({ key_set = 'usual', list = 'usual', settings = {}, now = file.now }) {
  const name = JSON.stringify([key_set, list, settings, now]);
  if (!verifiers.has(name)) {
    const pages = new Map([
      ['https://inside.example/.well-known/jwks.json', JSON.stringify(file.key_sets[key_set])],
      ['https://inside.example/.well-known/revocations', file.lists[list]],
    ]);
    const fetch = async (url) => new Response(pages.get(url.split('?')[0]));
    const { issuer } = file;
    const url = 'https://inside.example';
    const env = { monotonic: () => 0, sleep: () => new Promise(() => {}) };
    const told = { issuer, url, fetch, clock: () => now, warn() {}, env, ...settings };
    verifiers.set(name, verify.createVerifier(told));
  }
  return verifiers.get(name);
}

const shown = (user) =>
  Object.fromEntries(
    Object.entries(user).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );

function expected(answer) {
  if (!answer.code) return answer;
  const usual = file.problems[answer.code];
  const { detail = usual.detail, challenge = usual.challenge, retry_after = null } = answer;
  const { status, title } = usual;
  const type = `urn:countersign:problem:${answer.code}`;
  const body = { type, title, status, detail, code: answer.code };
  return { status, kind: 'application/problem+json', challenge, retry_after, body };
}

/** A permission of the file. */
function named([name, first, second]) {
  if (name === 'And') return named(first).and(named(second));
  if (name === 'Or') return named(first).or(named(second));
  if (name === 'Not') return named(first).not();
  const ours = verify[name[0].toLowerCase() + name.slice(1)];
  return first === undefined ? ours : ours(first);
}
