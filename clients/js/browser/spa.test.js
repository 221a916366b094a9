import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { PASSWORD, bundle, world } from './world.js';

let w;
before(async () => (w = await world({ cross: true })));
after(() => w?.stop());

const read = (path) =>
  readFileSync(new URL(`../../../examples/spa/${path}`, import.meta.url), 'utf8');

test('the_example_of_an_app_on_another_origin_works_in_two_tabs', async () => {
  const html = read('public/index.html').replaceAll('http://localhost:8000', w.api);
  w.front.pages.set('/spa/', ['text/html', html]);
  w.front.pages.set('/spa/style.css', ['text/css', read('public/style.css')]);
  w.front.pages.set('/spa/main.js', ['text/javascript', await bundle(read('src/main.jsx'))]);

  const me = await w.visitor();
  const mistakes = [];
  const open = async () => {
    const page = await me.context.newPage();
    page.on('pageerror', (error) => mistakes.push(String(error)));
    page.on(
      'console',
      (message) => /Content.Security.Policy/i.test(message.text()) && mistakes.push(message.text()),
    );
    await page.goto(`${w.app}/spa/`);
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
  await one.getByText('this one').waitFor();

  const two = await open();
  await two.getByRole('heading', { name: 'Hello alice' }).waitFor();
  await two.getByRole('button', { name: /exclamation/ }).click();
  await one.getByRole('heading', { name: 'Hello alice!' }).waitFor();
  await one.reload();
  await one.getByRole('heading', { name: 'Hello alice!' }).waitFor();
  await two.getByRole('button', { name: 'Log out', exact: true }).click();
  await one.getByText('You have logged out.').waitFor();
  assert.deepEqual(mistakes, []);
});
