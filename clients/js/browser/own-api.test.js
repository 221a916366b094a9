// docs/own-api.md, as it stands: a page, an API beside it, and the server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { file, notesApi } from './notes-api.js';
import { PASSWORD, bundle, world } from './world.js';

let w, api;
before(async () => {
  w = await world({ cross: true, settings: ['--registration', 'open', '--mail-url', 'console:'] });
});
after(async () => {
  api?.stop();
  await w?.stop();
});

test('the_page_the_api_and_the_server_of_the_document_work_together', async () => {
  api = await notesApi(w);
  const own = api.url;
  const script = await bundle(
    file('main.js').replace('http://localhost:9000', own).replace('http://localhost:8000', w.api),
  );
  const html = file('index.html').replace('/out/main.js', '/notes.js');
  w.front.pages.set('/notes/', ['text/html', html]);
  w.front.pages.set('/notes.js', ['text/javascript', script]);
  const { context } = await w.visitor();
  const mistakes = [];
  const open = async () => {
    const tab = await context.newPage();
    tab.on('pageerror', (error) => mistakes.push(String(error)));
    await tab.goto(`${w.app}/notes/`);
    return tab;
  };

  const one = await open();
  const tokens = [];
  one.on('request', (request) => {
    const token = request.url().startsWith(own) && request.headers().authorization;
    if (token) tokens.push(token);
  });
  await one.getByLabel('User name').fill('carla');
  await one.getByLabel('Password').fill('1');
  await one.getByRole('button', { name: 'Sign up' }).click();
  await one.getByRole('alert').filter({ hasText: /./ }).waitFor();
  await one.getByLabel('Password').fill(PASSWORD);
  await one.getByRole('button', { name: 'Sign up' }).click();
  await one.getByRole('heading', { name: 'The notes of carla' }).waitFor();
  await one.getByLabel('A note').fill('Buy tea');
  await one.getByRole('button', { name: 'Keep it' }).click();
  await one.getByText('Buy tea').waitFor();
  await one.reload();
  await one.getByText('Buy tea').waitFor();

  const two = await open();
  await two.getByText('Buy tea').waitFor();
  const ask = (headers) => fetch(`${own}/notes`, { headers }).then(({ status }) => status);
  assert.equal(await ask({}), 401);
  const headers = { authorization: tokens.at(-1) };
  assert.equal(await ask(headers), 200);
  // A write of a cookie's session without its CSRF token.
  const forged = await fetch(`${own}/notes`, { method: 'POST', headers });
  assert.equal(forged.status, 403);

  await two.getByRole('button', { name: 'Log out' }).click();
  await one.getByLabel('User name').waitFor();
  await two.getByLabel('User name').waitFor();
  while ((await ask(headers)) !== 401) await one.waitForTimeout(100);
  assert.deepEqual(mistakes, []);
});
