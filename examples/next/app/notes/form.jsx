'use client';

import { useRouter } from 'next/navigation';
import { useState } from 'react';
import { client } from '../../lib/client';
import { useReady } from '../../lib/ready';

export function NoteForm() {
  const router = useRouter();
  const [error, setError] = useState('');
  const ready = useReady();

  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const answer = await client()
      .fetch('/api/notes', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text: new FormData(form).get('text') }),
      })
      .catch(() => undefined);
    setError(answer?.ok ? '' : 'It is not kept. Please try again.');
    if (!answer?.ok) return;
    form.reset();
    router.refresh();
  }

  return (
    <form method="post" onSubmit={submit}>
      <label>
        A note <input name="text" required />
      </label>
      <button disabled={!ready}>Keep it</button>
      <p role="alert">{error}</p>
    </form>
  );
}
