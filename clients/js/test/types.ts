// Compiled, not run: the types that users see say what they should.
import axios from 'axios';
import { attach } from '@countersign/client/axios';
import {
  CountersignError,
  createClient,
  type Change,
  type Client,
  type Session,
  type Code,
  type State,
  type User,
} from '@countersign/client';
import { createNativeClient } from '@countersign/client/native';
import { createReactNativeClient } from '@countersign/client/react-native';
import { useSession as useInReact } from '@countersign/client/react';
import { useSession as useInSolid } from '@countersign/client/solid';
import { sessionStore } from '@countersign/client/svelte';
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
const inSolid: State = useInSolid(client)();
const unsubscribe: () => void = sessionStore(client).subscribe((state: State) => state.user);
createReactNativeClient({
  baseUrl: 'https://x.example/accounts',
  storage: { get: () => null, set: async () => {}, remove: async () => {} },
  AppState: { currentState: 'active', addEventListener: () => ({ remove: () => {} }) },
});
// What an app's own users have besides.
interface Member extends User {
  metadata: { plan: 'free' | 'gold' };
}
const members: Client<Member> = createClient<Member>({ baseUrl: 'https://x.example/accounts' });
const plan: 'free' | 'gold' | undefined = members.user?.metadata.plan;
const planInReact: 'free' | 'gold' | undefined = useInReact(members).user?.metadata.plan;
attach(axios.create(), members);
const registered: Promise<Member | null> = members.register({ email: 'a@example.com' });
const sessions: Promise<Session[]> = client.sessions();
client.verifyEmail({ token: 'x' });
client.verifyEmail({ email: 'a@example.com', code: '1234 5678', password: 'x' });
client.resetPassword({ token: 'x', new_password: 'y' });
client.requestPasswordReset({ username: 'alice' });
client.updateProfile({ first_name: 'Alice' });
client.changeEmail({ email: 'a@example.org', password: 'x' });
client.confirmEmailChange({ token: 'x' });
client.undo({ token: 'x' });
client.deleteAccount({ password: 'x' });
client.login({ username: 'alice', password: 'x', restore: true });
client.exportProfile().then(({ user }) => user.username);
// @ts-expect-error nobody is deleted without the password
client.deleteAccount({});
client.loginWithCode({ email: 'a@example.com', code: '1234 5678' });
// @ts-expect-error an undo has no code
client.undo({ email: 'a@example.com', code: '1234 5678' });
// @ts-expect-error a code is asked for together with the address
client.verifyEmail({ code: '1234 5678' });
// @ts-expect-error nobody makes themselves staff
client.updateProfile({ is_staff: true });
// @ts-expect-error the user is read, not written
client.user = null;
export { code, detach, fetchIsADropIn, inReact, native, plan, planInReact, registered };
export { inSolid, sessions, stop, unsubscribe };
