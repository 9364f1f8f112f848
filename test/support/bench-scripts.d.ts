// Some scripts are JavaScript; what a test uses of them.
declare module '*/bench/statistics.mjs' {
  export interface Figure {
    readonly median: number;
    readonly low: number;
    readonly high: number;
    readonly rounds: number;
  }
  export function figureOf(values: readonly number[], best?: number): Figure | undefined;
  export function show(figure: Figure | undefined, digits?: number, unit?: string): string;
}
declare module '*/bench/budgets.mjs' {
  export interface Budget {
    readonly what: string;
    readonly figure?: object;
    readonly atLeast?: number;
  }
  export function measured(results: object): readonly Budget[];
  export function isMet(budget: Budget): boolean | undefined;
}
declare module '*/bench/compare.mjs' {
  export function compare(
    before: object,
    now: object,
  ): { readonly name: string; readonly isWorse: boolean }[];
}
declare module '*/bench/plot.mjs' {
  export function renderPlot(results: object): string;
}
declare module '*/bench/report.mjs' {
  export function renderPage(results: object): string;
}
declare module '*/scripts/mutations.mjs' {
  export const MUTATIONS: readonly {
    readonly what: string;
    readonly file: string;
    readonly from: string;
    readonly specs: readonly string[];
  }[];
}
