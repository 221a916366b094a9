export const metadata = { title: 'Notes' };

// Every page greets somebody: none is made ahead of time, or kept for the next visitor.
export const dynamic = 'force-dynamic';

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
