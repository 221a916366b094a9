import { useEffect, useState } from 'react';

/** Whether the script is at work: a button that needs it waits for it. */
export function useReady() {
  const [ready, setReady] = useState(false);
  useEffect(() => setReady(true), []);
  return ready;
}
