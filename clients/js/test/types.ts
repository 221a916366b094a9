// Compiled, not run: the types that users see say what they should.
import axios from 'axios';
import { attach } from '@countersign/client/axios';
import {
  CountersignError,
  createClient,
  type Change,
  type Client,
  type Code,
  type State,
  type User,
} from '@countersign/client';
import { createNativeClient } from '@countersign/client/native';
import { useSession as useInReact } from '@countersign/client/react';
import { useSession as useInVue } from '@countersign/client/vue';

const client: Client = createClient({
  baseUrl: 'https://api.example.com/accounts',
  apiOrigins: [new URL('https://files.example.com')],
});
const fetchIsADropIn: typeof fetch = client.fetch;
const user: Promise<User> = client.login(
  { username: 'alice', password: 'x' },
  { signal: AbortSignal.timeout(1000) },
);
const stop: () => void = client.onChange((change: Change) => {
  if (
    change.type === 'signed_out' &&
    change.code === 'session_revoked' &&
    change.reason === 'password_changed'
  )
    return;
  // @ts-expect-error a change that is no sign-out has no code
  if (change.type === 'refreshed') change.code;
});
const detach: () => void = attach(axios.create(), client);
const inReact: State = useInReact(client);
const inVue: State = useInVue(client).value;
// @ts-expect-error the ref cannot be written
useInVue(client).value = inVue;
const native: Client = createNativeClient({
  baseUrl: 'https://x.example/accounts',
  storage: { get: () => null, set: async () => {}, remove: async () => {} },
});
// @ts-expect-error a native client needs a storage
createNativeClient({ baseUrl: 'https://x.example/accounts' });
// @ts-expect-error no such code
const code: Code = 'no_such_code';
try {
  await user;
} catch (error) {
  if (error instanceof CountersignError && error.code === 'throttled') error.retryAfter?.toFixed();
}
// @ts-expect-error the user is read, not written
client.user = null;
export { code, detach, fetchIsADropIn, inReact, native, stop };
