// Undo and redo: whole states as JSON texts, so that they survive a reload.
const MOST = 100;

export class History {
  constructor(first, saved) {
    this.states = saved?.states?.length ? saved.states : [first];
    this.at = saved?.states?.length ? saved.at : 0;
  }
  get now() { return this.states[this.at]; }
  get changed() { return this.at > 0 || this.states.length > 1; }
  push(state) {
    if (state === this.now) return false;
    this.states = this.states.slice(0, this.at + 1);
    this.states.push(state);
    if (this.states.length > MOST + 1) this.states.shift();
    this.at = this.states.length - 1;
    return true;
  }
  undo() { return this.at > 0 ? this.states[--this.at] : null; }
  redo() { return this.at + 1 < this.states.length ? this.states[++this.at] : null; }
  toJSON() { return { states: this.states, at: this.at }; }
}
