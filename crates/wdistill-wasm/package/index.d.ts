/** How to translate. What is left out has the value in brackets. */
export interface TranslatorOptions {
  /** Hypotheses of the beam search; 1 is greedy search. [4] */
  beamSize?: number;
  /** Scores are `logProbability / (words + 1) ** lengthPenalty`. [1] */
  lengthPenalty?: number;
  /** Most tokens of a translation, for each token of its source. [2] */
  maxLengthRatio?: number;
  /** Most tokens of a translation. [512] */
  maxLength?: number;
  /** Translations of each text, at most the beam size. [1] */
  nBest?: number;
  /** Computes in int8 with a model whose weights are float32; one with int8 weights is computed in int8 anyway. */
  quantize?: "int8";
  /** Name of a file of the model's folder that `wdistill shortlist` wrote. */
  shortlist?: string;
  /** A text may hold several sentences, which are translated one by one ("split"), or is taken as one ("line"). ["split"] */
  sentences?: "split" | "line";
  /** Language of the texts, whose abbreviations end no sentence, such as "en". [the abbreviations of all] */
  language?: string;
  /** Most tokens of a sentence, and 64 characters for each. [512] */
  maxSource?: number;
  /** What to do with a longer one: an error, translate its first tokens, or translate it in parts. ["refuse"] */
  long?: "refuse" | "truncate" | "split";
}

/** A translation that is not the best. */
export interface Alternative {
  text: string;
  score: number;
}

/** The translation of a text. */
export interface Translation {
  text: string;
  /** `logProbability / (words + 1) ** lengthPenalty`. */
  score: number;
  /** The next best ones: `nBest` less one. */
  alternatives: Alternative[];
  /** What the text does not show: that it was cut, or translated in parts. */
  notices: string[];
  /** Tokens that the model read, with end tokens. */
  sourceTokens: number;
  /** Tokens of the translation, with end tokens. */
  targetTokens: number;
}

/** A file's content: bytes, or a `File` of a page. */
export type Content = Uint8Array | ArrayBuffer | Blob;

/**
 * Where a model's folder is: its URL; in Node.js also its path; in a page also the files that somebody chose or dropped; or
 * the content of each of its files, by its path.
 */
export type ModelSource = string | URL | Iterable<File> | Map<string, Content> | Record<string, Content>;

/** A model, ready to translate. In a page it has a thread of its own (a worker), in Node.js it works in the caller's. */
export class Translator {
  private constructor();

  /**
   * Reads a model and makes it ready. Nothing is sent anywhere; from a URL the model's files are fetched.
   * Rejects with an `Error` that says what is wrong with the model or the options; its last line may be a hint.
   */
  static open(model: ModelSource, options?: TranslatorOptions): Promise<Translator>;

  /** What the model translates from and into, if its folder says so. */
  readonly languages: { source: string; target: string } | null;

  /** Translates a text. */
  translate(text: string): Promise<Translation>;
  /** Translates texts, together, which is faster; a translation does not depend on its neighbours. */
  translate(texts: Iterable<string>): Promise<Translation[]>;

  /** Gives the memory back. Calls that wait are rejected. */
  close(): void;
}
