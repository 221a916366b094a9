// Countersign and the API of the notes stand behind this app's own origin: the browser sends this
// server the refresh cookie, and needs no CORS. In production a proxy may do the same.
const { AUTH_URL = 'http://localhost:8000', NOTES_URL = 'http://localhost:9000' } = process.env;

/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  rewrites: async () => [
    { source: '/accounts/:path*', destination: `${AUTH_URL}/accounts/:path*` },
    // The pages that mails lead to.
    { source: '/account/:path*', destination: `${AUTH_URL}/account/:path*` },
    { source: '/api/:path*', destination: `${NOTES_URL}/:path*` },
  ],
};
