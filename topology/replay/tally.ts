/** What became of an input, in a few words: nobody should have to find out that all of it was refused. */
export class Tally {
  /** Lines of the input, and lines written of what was computed from them. */
  lines = 0;
  results = 0;
  private readonly refusals = new Map<string, number>();

  refuse(reason: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  /**
   * @param told whether the output says what was refused
   * @param asked whether anything else was asked for
   * @returns null where there is nothing to say
   */
  summary(told: boolean, asked: boolean): string | null {
    const refused = [...this.refusals].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${count} ${reason}`);
    if (this.results > 0 && (told || refused.length === 0)) return null;
    const lines = `${this.lines} ${this.lines === 1 ? 'line' : 'lines'} in`;
    if (!asked) return `${lines}, refused: ${refused.join(', ') || 'none'}`;
    const of = `${lines}, ${this.results === 0 ? 'no result' : `results: ${this.results}`}`;
    if (refused.length === 0) return of;
    return `${of}; refused: ${refused.join(', ')}${told ? '' : ' (--emit rejected tells of each)'}`;
  }
}
