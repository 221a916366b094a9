'use client';

// Countersign cannot be asked. That is not "nobody": no login form, and no page of a visitor.
export default function Unavailable() {
  return (
    <main>
      <h1>One moment, please</h1>
      <p>We cannot see who you are. Please try again.</p>
      <button onClick={() => location.reload()}>Try again</button>
    </main>
  );
}
