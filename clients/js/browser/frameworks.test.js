import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { PASSWORD, bundle, world } from './world.js';

let w;
before(async () => (w = await world()));
after(() => w?.stop());

const programs = {
  react: `
    import { StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    import { createClient } from '@countersign/client';
    import { useSession } from '@countersign/client/react';
    export const client = createClient();
    function App() {
      const { status, user, reason } = useSession(client);
      return <>{status} {user?.username} {reason}</>;
    }
    createRoot(document.querySelector('#root')).render(<StrictMode><App /></StrictMode>);`,
  vue: `
    import { createApp, h } from 'vue';
    import { createClient } from '@countersign/client';
    import { useSession } from '@countersign/client/vue';
    export const client = createClient();
    const App = {
      setup() {
        const session = useSession(client);
        return () => {
          const { status, user, reason } = session.value;
          return h('span', [status, user?.username, reason].join(' '));
        };
      },
    };
    createApp(App).mount('#root');`,
  // Compiled forms need a compiler of their own; what they do by themselves is this.
  solid: `
    import { render } from 'solid-js/web';
    import { createClient } from '@countersign/client';
    import { useSession } from '@countersign/client/solid';
    export const client = createClient();
    render(() => {
      const session = useSession(client);
      return () => [session().status, session().user?.username, session().reason].join(' ');
    }, document.querySelector('#root'));`,
  svelte: `
    import { createClient } from '@countersign/client';
    import { sessionStore } from '@countersign/client/svelte';
    export const client = createClient();
    const session = sessionStore(client);
    session.subscribe(({ status, user, reason }) => {
      document.querySelector('#root').textContent = [status, user?.username, reason].join(' ');
    });`,
};

for (const [name, program] of Object.entries(programs)) {
  test(`${name}_shows_what_the_client_knows`, async () => {
    const me = await w.visitor();
    w.front.pages.set('/app.js', ['text/javascript', await bundle(program)]);
    const asked = w.front.count('/accounts/session');
    const page = await me.context.newPage();
    await page.goto(`${w.app}/`);
    await page.evaluate(async () => void (window.it = await import('/app.js')));
    const shows = (text) =>
      page.waitForFunction(
        (text) => document.querySelector('#root').textContent.trim().replace(/\s+/g, ' ') === text,
        text,
        { polling: 20, timeout: 10_000 },
      );
    // It has found out by itself, and asked once: a strict React mounts everything twice.
    await shows('signed_out');
    assert.equal(w.front.count('/accounts/session'), asked + 1);
    await page.evaluate((password) => it.client.login({ username: 'alice', password }), PASSWORD);
    await shows('signed_in alice');
    await page.reload();
    await page.evaluate(async () => void (window.it = await import('/app.js')));
    await shows('signed_in alice');
    await page.evaluate(() => it.client.logout());
    await shows('signed_out logout');
    await me.context.close();
  });
}

test('react_restores_a_client_that_takes_anothers_place_as_a_hot_reload_does', async () => {
  const me = await w.visitor();
  const program = `
    import { createRoot } from 'react-dom/client';
    import { createClient } from '@countersign/client';
    import { useSession } from '@countersign/client/react';
    const root = createRoot(document.querySelector('#root'));
    const App = ({ client }) => useSession(client).user?.username ?? 'nobody';
    export function reload() {
      const client = createClient();
      root.render(<App client={client} />);
      return client;
    }`;
  w.front.pages.set('/hot.js', ['text/javascript', await bundle(program)]);
  const page = await me.context.newPage();
  await page.goto(`${w.app}/`);
  await page.evaluate(async (password) => {
    window.it = await import('/hot.js');
    await it.reload().login({ username: 'alice', password });
  }, PASSWORD);
  const shows = (text) =>
    page.waitForFunction((text) => document.querySelector('#root').textContent === text, text, {
      polling: 20,
      timeout: 10_000,
    });
  await shows('alice');
  const status = await page.evaluate(async () => {
    window.second = it.reload();
    return second.state.status;
  });
  assert.equal(status, 'unknown');
  await page.waitForFunction(() => second.state.status === 'signed_in', null, {
    polling: 20,
    timeout: 10_000,
  });
  await shows('alice');
  await me.context.close();
});

test('the_react_page_of_the_readme_is_a_working_page_as_it_is', async () => {
  const cross = await world({ cross: true });
  try {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, snippet] = /^## React\n[^]*?^```jsx\n([^]*?)^```$/m.exec(readme);
    const address = 'http://localhost:8000';
    assert.equal(snippet.split(address).length, 2, 'it says once where the server is');
    // What main.jsx of Vite's template does around App.jsx.
    const main = `
      import { StrictMode } from 'react';
      import { createRoot } from 'react-dom/client';
      createRoot(document.querySelector('#root')).render(<StrictMode><App /></StrictMode>);`;
    cross.front.pages.set('/app.js', [
      'text/javascript',
      await bundle(snippet.replace(address, cross.api) + main),
    ]);
    const page = [
      'text/html',
      '<!doctype html><title>React</title><div id="root"></div>' +
        '<script type="module" src="/app.js"></script>',
    ];
    cross.front.pages.set('/react', page);
    const me = await cross.visitor();
    const mistakes = [];
    const open = async () => {
      const page = await me.context.newPage();
      page.on('pageerror', (error) => mistakes.push(String(error)));
      await page.goto(`${cross.app}/react`);
      return page;
    };
    const one = await open();
    await one.getByLabel('User name').fill('alice');
    await one.getByLabel('Password').fill('wrong');
    await one.getByRole('button', { name: 'Log in' }).click();
    await one.getByRole('alert').getByText('No active user').waitFor();
    await one.getByLabel('Password').fill(PASSWORD);
    await one.keyboard.press('Enter');
    await one.getByRole('heading', { name: 'Hello alice' }).waitFor();
    await one.reload();
    await one.getByRole('heading', { name: 'Hello alice' }).waitFor();
    const two = await open();
    await two.getByRole('heading', { name: 'Hello alice' }).waitFor();
    await two.getByRole('button', { name: 'Log out' }).click();
    for (const tab of [one, two]) await tab.getByRole('button', { name: 'Log in' }).waitFor();
    assert.deepEqual(mistakes, []);
  } finally {
    await cross.stop();
  }
});
