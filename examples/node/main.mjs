// A program for the command line that stays logged in, and whose session is bound to this machine:
//
//   npm install
//   PASSWORD=… node main.mjs login alice
//   node main.mjs profile
//   node main.mjs logout
//
// COUNTERSIGN is the address of the server's endpoints; the program keeps its files in STATE.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { createNativeClient } from '@countersign/client/native';

const { COUNTERSIGN = 'http://localhost:8000/accounts', STATE = join(homedir(), '.example') } =
  process.env;
const file = (name) => join(STATE, name);

/** Written whole, and readable by its owner alone. */
async function write(name, value) {
  await mkdir(STATE, { recursive: true, mode: 0o700 });
  const draft = file(`${name}.${process.pid}`);
  await writeFile(draft, value, { mode: 0o600 });
  await rename(draft, file(name));
}

const read = (name) => readFile(file(name), 'utf8').catch(() => undefined);

/**
 * The key that the session is bound to. In a file it can be copied, as the refresh token beside it
 * can: it helps against a token that leaks alone, through a log, a backup of the token or a proxy.
 * Where the machine has a key store that does not give keys away, sign with that.
 */
async function privateKey() {
  const kept = await read('device-key.pem');
  if (kept) return createPrivateKey(kept);
  // As a text, and read from it: Node 20 may stand still for ever where a key that it has just made
  // is exported.
  const { privateKey: pem } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await write('device-key.pem', pem);
  return createPrivateKey(pem);
}

const client = createNativeClient({
  baseUrl: COUNTERSIGN,
  deviceName: hostname(),
  storage: {
    get: read,
    set: write,
    remove: (name) => rm(file(name), { force: true }),
    key: {
      publicKey: async () => createPublicKey(await privateKey()).export({ format: 'jwk' }),
      sign: async (bytes) => sign('sha256', bytes, await privateKey()),
    },
  },
});

const [command, username] = process.argv.slice(2);
const user =
  command === 'login'
    ? await client.login({ username, password: process.env.PASSWORD })
    : await client.restore();
if (command === 'logout') await client.logout();
if (command === 'sessions') console.log(JSON.stringify(await client.sessions()));
else console.log(user ? user.username : 'Nobody is logged in.');
client.close();
