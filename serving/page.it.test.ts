import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NOW_MS, prediction, uuidOf } from '../test/fixtures/fleet-records.js';
import { serverOf } from '../test/fixtures/server.js';
import type { Ticker } from './live.js';

/** The page in a real browser, over a real connection. Needs Chromium where Debian puts it. */
const CHROMIUM = '/usr/bin/chromium';
const isMissing = !existsSync(CHROMIUM);

const tickNow = { callback: (): void => undefined };
const ticker: Ticker = {
  every(_intervalMs, callback) {
    tickNow.callback = callback;
    return () => undefined;
  },
};

// Under CI a missing browser fails the tests; on a machine of someone's own it skips them.
describe.skipIf(isMissing && process.env.CI !== 'true')(`page in a browser (needs ${CHROMIUM})`, () => {
  let browser: Browser;
  let page: Page;
  let server: ReturnType<typeof serverOf>;
  let url: string;
  let problems: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    server = serverOf(60, { ticker });
    url = await server.app.listen({ host: '127.0.0.1', port: 0 });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      // A record that does not exist yet is a 404 by contract, which browsers log.
      if (message.type() === 'error' && !message.text().includes('404')) problems.push(message.text());
    });
    page.on('dialog', (dialog) => problems.push(`dialog: ${dialog.message()}`));
    await page.goto(url);
    await page.locator('tbody tr').first().waitFor();
  });
  afterEach(async () => {
    await page.close();
    await server.app.close();
  });

  const column = (name: string): Promise<string[]> => page.locator(`tbody td.c-${name}`).allTextContents();

  it('shows the fleet by falling risk, with totals, and sorts by any column', async () => {
    const risks = (await column('risk')).map((text) => parseFloat(text));
    expect(risks).toHaveLength(60);
    expect(risks).toEqual([...risks].sort((a, b) => b - a));
    expect(await page.locator('.tile dd').first().textContent()).toBe('60 ');
    await page.getByRole('button', { name: 'Host' }).click();
    const hosts = await column('host');
    expect(hosts).toEqual([...hosts].sort());
    expect(await page.locator('th.c-host').getAttribute('aria-sort')).toBe('ascending');
    await page.getByRole('button', { name: 'Host' }).click();
    expect((await column('host'))[0]).toBe('node-007');
    expect(problems).toEqual([]);
  });

  it('filters by search, grade, advice and host', async () => {
    await page.getByLabel('Host').fill('node-002');
    expect(new Set(await column('host'))).toEqual(new Set(['node-002']));
    await page.getByLabel('Host').fill('');
    await page.locator('select[name=grade]').selectOption('poor');
    expect(new Set(await column('grade'))).toEqual(new Set(['Poor']));
    await page.locator('select[name=decision]').selectOption('none');
    expect((await column('model')).every((model) => model.includes('A100'))).toBe(true);
    await page.getByLabel('Search').fill('no such thing');
    expect(await page.locator('.empty').first().textContent()).toBe('No GPU matches these filters.');
    expect(problems).toEqual([]);
  });

  it('opens the page of a GPU by a click, and by the keyboard', async () => {
    const row = page.locator('tbody tr', { hasText: 'H100' }).first();
    const uuid = await row.getAttribute('data-gpu');
    await row.locator('td.c-host').click();
    await page.locator('h1', { hasText: uuid! }).waitFor();
    await page.locator('.chart path').nth(1).waitFor();
    expect(await page.locator('.odds dd').allTextContents()).toHaveLength(3);
    expect(await page.locator('.options li').allTextContents()).toHaveLength(4);
    expect(await page.locator('.options .best').textContent()).toContain('recommended');
    expect(await page.locator('.rationale').textContent()).toContain('rather than keep');
    expect(await page.locator('.features tbody tr').count()).toBe(54);
    expect(await page.locator('.reasons li').first().textContent()).toContain('Running hot');
    await page
      .getByText(/^Mean of 24 h: \d+\.\d °C (above|below) the median of the \d+ other GPUs of node-\d+$/)
      .waitFor();
    await page.locator('.chart.temperature').focus();
    await page.keyboard.press('End');
    expect(await page.locator('.readout').first().textContent()).toMatch(/^2026-11-23 09:00: \d+\.\d °C$/);
    await page.getByRole('link', { name: '← Fleet' }).click();
    await page.locator('tbody tr a').first().focus();
    await page.keyboard.press('Enter');
    await page.locator('.odds').waitFor();
    expect(problems).toEqual([]);
  });

  it('changes a row when its GPU changes, and moves it to its place', async () => {
    const uuid = uuidOf(20);
    const row = page.locator(`tr[data-gpu="${uuid}"]`);
    expect(await row.locator('td.c-risk').textContent()).not.toBe('98.7 %');
    server.view.apply('predictions', prediction(uuid, { failure_prob_30d: 0.987 }, NOW_MS));
    tickNow.callback();
    await row.locator('td.c-risk', { hasText: '98.7 %' }).waitFor();
    expect(await page.locator('tbody tr').first().getAttribute('data-gpu')).toBe(uuid);
    expect(problems).toEqual([]);
  });

  it('shows a name that looks like markup as text', async () => {
    const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>';
    server.view.observe(uuidOf(0), { host: evil, model: evil });
    server.view.apply('health', {
      ...server.view.get(uuidOf(0))!.health!,
      as_of: NOW_MS,
      deductions: [{ factor: evil, points: 3, evidence: evil }],
    });
    tickNow.callback();
    const row = page.locator(`tr[data-gpu="${uuidOf(0)}"]`);
    await row.locator('td.c-host', { hasText: evil }).waitFor();
    await row.locator('td.c-host').click();
    await page.locator('.reasons').waitFor();
    expect(await page.locator('.reasons small').textContent()).toBe(evil);
    expect(await page.locator('.facts').textContent()).toContain(evil);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it('says that the connection is lost, and keeps what it knew', async () => {
    await page.locator('#connection[data-state="live"]').waitFor();
    await server.app.close();
    await page.locator('#banner:not([hidden])').waitFor();
    expect(await page.locator('#banner').textContent()).toContain('No connection to the server');
    expect(await page.locator('tbody tr').count()).toBe(60);
  });

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 375, height: 800 });
    const widths = await page.evaluate<number[]>(
      '[document.documentElement.scrollWidth, document.querySelector(".scroller").scrollWidth]',
    );
    for (const width of widths) expect(width).toBeLessThanOrEqual(375);
    await page.locator('tbody tr').first().click();
    await page.locator('.chart path').first().waitFor();
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375);
    // Its features would be two thirds of the page.
    const features = page.locator('.features');
    expect(await features.isVisible()).toBe(false);
    await page.locator('summary').click();
    expect(await features.isVisible()).toBe(true);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375);
  });
});

describe('page of an unknown GPU or an empty fleet', () => {
  it.skipIf(isMissing && process.env.CI !== 'true')(`says so (needs ${CHROMIUM})`, async () => {
    const { app } = serverOf(0, { ticker });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
    try {
      const page = await browser.newPage();
      await page.goto(url);
      await page.getByText('No GPU has been heard of yet').waitFor();
      await page.goto(`${url}/#/gpu/GPU-nobody`);
      await page.getByText('No GPU GPU-nobody is known here.').waitFor();
      expect(await page.locator('.cards').isVisible()).toBe(false);
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      for (const address of ['%E0%A4%A', 'a%20b']) {
        await page.goto(`${url}/#/gpu/${address}`);
        await page.getByText('This address names no GPU').waitFor();
        expect(await page.locator('.cards').isVisible()).toBe(false);
      }
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
      await app.close();
    }
  });
});
