// Shows what needs a passkey, and asks the browser for one when it is sent.
{
  const { credentials } = navigator;
  const api = window.PublicKeyCredential;
  const read = { create: 'parseCreationOptionsFromJSON', get: 'parseRequestOptionsFromJSON' };
  for (const form of api?.[read.get] ? document.querySelectorAll('form[data-passkey]') : []) {
    const { passkey: what, options } = form.dataset;
    const said = form.querySelector('[role=status]');
    form.hidden = false;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      said.textContent = '';
      const body = new URLSearchParams({ do: 'options', for: what });
      try {
        const answer = await fetch(options, { method: 'POST', body });
        if (answer.ok) {
          const publicKey = api[read[what]]((await answer.json()).options);
          const made = await credentials[what]({ publicKey });
          form.elements.passkey.value = JSON.stringify(made.toJSON());
        }
        // Without one, the page that answers says what is wrong.
        form.submit();
      } catch {
        said.textContent = said.dataset.refused ?? 'The browser gave no passkey. Try again.';
      }
    });
  }
}
