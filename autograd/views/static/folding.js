// Folding: which boxes are open. Python laid out each level; where boxes differ from theirs, it takes a mixture of them.
import { mixture } from "./mixture.js";

/** The pictures of a story by level, and any mixture of them. */
export class Folding {
  constructor({ nodes, edges, trace: { boxes } }, pictures) {
    Object.assign(this, { edges, pictures, scopes: boxes });
    this.chains = nodes.map(({ scope }) => boxes.flatMap((path, box) => (path.every((name, depth) => name === scope[depth]) ? [box] : [])));
  }

  /** The level at which a scope lies open and what is in it folded; undefined where none was drawn. */
  inside(box) {
    return [this.scopes[box].length + 1, 0].find((level) => this.pictures.has(level));
  }

  isOpen(box, { level, boxes }) {
    return (level === 0 || this.scopes[box].length < level) !== boxes.has(box);
  }

  /** The picture of a level, with some boxes the other way round. */
  picture(state) {
    return state.boxes.size ? mixture(this, state) : this.pictures.get(state.level).cloneNode(true);
  }
}
