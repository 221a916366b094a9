import assert from 'node:assert/strict';
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
        return () => h('span', [session.value.status, session.value.user?.username, session.value.reason].join(' '));
      },
    };
    createApp(App).mount('#root');`,
};

for (const [name, program] of Object.entries(programs)) {
  test(`${name}_shows_what_the_client_knows`, async () => {
    const me = await w.visitor();
    w.front.pages.set('/app.js', ['text/javascript', await bundle(program)]);
    const page = await me.context.newPage();
    await page.goto(`${w.app}/`);
    await page.evaluate(async () => void (window.it = await import('/app.js')));
    const shows = (text) => page.waitForFunction((text) => document.querySelector('#root').textContent.trim().replace(/\s+/g, ' ') === text, text, { polling: 20, timeout: 10_000 });
    await shows('unknown');
    await page.evaluate(() => it.client.restore());
    await shows('signed_out');
    await page.evaluate((password) => it.client.login({ username: 'alice', password }), PASSWORD);
    await shows('signed_in alice');
    await page.evaluate(() => it.client.logout());
    await shows('signed_out logout');
    await me.context.close();
  });
}
