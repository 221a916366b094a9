// Compiled, not run: the types that users see say what they should.
import express from 'express';
import { Hono } from 'hono';
import {
  createManagement,
  createVerifier,
  hasFactor,
  hasPerm,
  isStaff,
  permission,
  Problem,
  recentLogin,
  type Code,
  type Identity,
  type Introspection,
  type Permission,
  type Verifier,
} from '@countersign/verify';
import * as forExpress from '@countersign/verify/express';
import { protect as plugin } from '@countersign/verify/fastify';
import * as forHono from '@countersign/verify/hono';
import { protect, protectApi } from '@countersign/verify/next';

const verifier: Verifier = createVerifier({
  issuer: 'https://auth.example.com',
  audience: 'shop',
  groups: { editors: ['articles.add'] },
});
// @ts-expect-error an issuer has to be named
createVerifier({ url: 'https://auth.example.com' });

const mayPublish: Permission = hasPerm('articles.publish').and(hasFactor).or(isStaff.not());
const ours = permission('FromOurApp', ({ who }) => who !== null || 'Only our app may do this.');

async function plain(request: Request): Promise<string> {
  try {
    const who: Identity | null = await verifier.check(request, mayPublish.and(recentLogin(5)));
    return who?.user.username ?? 'nobody';
  } catch (error) {
    if (error instanceof Problem) return (error.code satisfies Code) + error.toResponse().status;
    throw error;
  }
}
void plain(new Request('https://app.example.com'));
void verifier.authenticate({ method: 'GET', headers: { authorization: 'Bearer a.b.c' } });
void verifier.authenticate({ method: 'GET', headers: [['authorization', 'Bearer a.b.c']] });

const management = createManagement({ url: 'https://auth.example.com', token: 'cs_…' });
const looked: Promise<Introspection | null> = management.introspect({ cookie: null, access: true });
void looked.then((found) => found?.user.username);
void management.redeemTicket('ticket', 'chat');
// @ts-expect-error a token or a cookie
void management.introspect({});

const app = express();
app.use(forExpress.protect({ issuer: 'https://auth.example.com' }));
app.get('/me', (request, response) => {
  response.json({ user: request.identity?.user.id });
});
app.post('/articles', forExpress.requires(ours), (_, response) => void response.end());

const hono = new Hono<forHono.Env>();
hono.use(forHono.protect(verifier));
hono.get('/me', (context) => context.json({ user: context.get('identity')?.user.id }));

const signedIn = protect(verifier);
export const GET = signedIn(async (_request, { identity }) => Response.json(identity.user));
export const PUT = signedIn(
  async (_: Request, { params }: { params: Promise<{ id: string }> }) =>
    Response.json(await params),
  isStaff,
);
// @ts-expect-error with a permission the identity may be null
export const DELETE = signedIn((_, { identity }) => Response.json(identity.user), isStaff);
export default protectApi(verifier)((request: { identity: Identity | null }, _: object) => {
  void request.identity?.user;
});
void plugin;
