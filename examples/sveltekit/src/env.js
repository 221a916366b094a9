import { building } from '$app/env';
import { defineEnvVars } from '@sveltejs/kit/env';

const url = (port) => (value) => value ?? `http://localhost:${port}`;

// All are private: the server reads them when it starts, and no page has them.
export const variables = defineEnvVars({
  AUTH_URL: { schema: url(8000) },
  AUTH_TOKEN: {
    schema(value) {
      if (!value && !building) throw new Error('it is made by `countersign token create`');
      return value ?? '';
    },
  },
  NOTES_URL: { schema: url(9000) },
});
