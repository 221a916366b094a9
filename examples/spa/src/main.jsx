// A single-page app on another origin than its API: everything that it has to do about sessions is
// in this file.
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { createClient } from '@countersign/client';
import { useSession } from '@countersign/client/react';

const api = document.querySelector('meta[name=api]').content;
const client = createClient({ baseUrl: api });

function App() {
  const { status, user, code, reason } = useSession(client);
  const [fault, setFault] = useState('');

  useEffect(() => {
    // No answer is no ending: the client goes on trying, and `status` says when it has succeeded.
    client.restore().catch(() => setFault('The server cannot be reached. Trying again …'));
  }, []);

  if (status === 'unknown') return <p role="status">{fault || 'One moment …'}</p>;
  if (status === 'signed_out') return <Login why={WHY[reason] ?? WHY[code]} />;
  return <Home user={user} />;
}

function Login({ why }) {
  const [error, setError] = useState('');

  async function submit(event) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.currentTarget));
    try {
      await client.login({ username, password });
    } catch (error) {
      setError(error.code === 'throttled' ? `Too many attempts. Try again in ${error.retryAfter} seconds.` : error.message);
    }
  }

  return (
    <form onSubmit={submit}>
      <h1>Log in</h1>
      {why && <p role="status">{why}</p>}
      <label>
        User name or e-mail address
        <input name="username" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button>Log in</button>
      <p className="error" role="alert">
        {error}
      </p>
    </form>
  );
}

function Home({ user }) {
  const [message, setMessage] = useState('');
  const attempt = (work) => () => work().then(setMessage, (error) => setMessage(error.message));

  return (
    <>
      <h1>Hello {user?.first_name || user?.username}</h1>
      <Countdown />
      <div className="row">
        <button onClick={attempt(rename)}>Sign my name with an exclamation mark</button>
        <button onClick={attempt(() => client.refresh().then(() => 'Refreshed.'))}>Refresh now</button>
        <button onClick={attempt(() => client.logout())}>Log out</button>
        <button onClick={attempt(() => client.logoutAll())}>Log out everywhere</button>
      </div>
      <p role="status">{message}</p>
      <Sessions />
    </>
  );

  async function rename() {
    await client.updateProfile({ first_name: `${user.first_name || user.username}!` });
    return 'Written.';
  }
}

function Countdown() {
  const [left, setLeft] = useState(client.expiresIn);
  useEffect(() => {
    const timer = setInterval(() => setLeft(client.expiresIn), 1000);
    return () => clearInterval(timer);
  }, []);
  return <p>The access token is good for {Math.ceil(left / 1000)} seconds more, and is replaced before.</p>;
}

function Sessions() {
  const [sessions, setSessions] = useState([]);
  const load = () => client.sessions().then(setSessions, () => {});
  const end = (id) => client.endSession(id).then(load, () => {});
  useEffect(() => void load(), []);

  return (
    <>
      <h2>Where you are logged in</h2>
      <table>
        <thead>
          <tr>
            <th>Since</th>
            <th>With</th>
            <th>
              <button onClick={load}>Look again</button>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.map(({ id, current, created_at, device_name, device }) => (
            <tr key={id}>
              <td>{new Date(created_at).toLocaleString()}</td>
              <td>{device_name ?? device}</td>
              <td>{current ? 'this one' : <button onClick={() => end(id)}>End it</button>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const WHY = {
  logout: 'You have logged out.',
  logout_all: 'You have logged out everywhere.',
  password_changed: 'Your password was changed on another device.',
  admin: 'An operator has ended your session.',
  user_inactive: 'This account is not active.',
  token_theft: 'Somebody else had your session. It is ended for both; please choose a new password.',
  refresh_token_reused: 'Somebody else had your session. It is ended for both; please choose a new password.',
  refresh_token_expired: 'You have not been here for a while.',
  session_expired: 'You have been logged in for long enough; please give your password again.',
};

createRoot(document.querySelector('#root')).render(<App />);
