// Every page by the first segment of its address after /ui.
import { Overview } from './overview.js';
import { Members } from './members.js';
import { Browse } from './browse.js';
import { Search } from './search.js';
import { Drafts } from './drafts.js';
import { Requests } from './requests.js';
import { Compare } from './compare.js';
import { Audit } from './audit.js';
import { Feed } from './feed.js';
import { Keys } from './keys.js';
import { Webhooks } from './webhooks.js';
import { Backup } from './backup.js';
import { Me } from './me.js';

export const pages = {
  overview: Overview, members: Members, ns: Browse, search: Search, drafts: Drafts, requests: Requests, compare: Compare,
  audit: Audit, feed: Feed, keys: Keys, webhooks: Webhooks, backup: Backup, me: Me,
};
