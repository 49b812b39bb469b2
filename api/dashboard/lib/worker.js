// The shared worker: one hub for all tabs of this origin.
import { Hub } from './hub.js';

const hub = new Hub(self.location.origin);

self.onconnect = ({ ports: [port] }) => hub.attach(port);
