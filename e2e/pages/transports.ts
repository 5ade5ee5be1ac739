// Runs the transport conformance cases in this page's runtime; the test asks for one at a time.
import { browserTransport } from 'distributedlog/browser';
import { transportCases } from 'distributedlog/testing';

declare global {
  interface Window {
    /** Resolves with null, or with what was wrong. */
    runTransportCase(name: string, server: { url: string; deadUrl: string }): Promise<string | null>;
  }
}

window.runTransportCase = async (name, server) => {
  const found = transportCases.find((candidate) => candidate.name === name);
  if (!found) return `there is no case "${name}"`;
  try {
    await found.run({ transport: browserTransport(), server });
    return null;
  } catch (error) {
    return String(error);
  }
};
