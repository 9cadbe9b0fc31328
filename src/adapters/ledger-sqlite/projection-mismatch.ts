/** The log does not fit the tables that should follow from it: one of the two was changed from outside. */
export class ProjectionMismatch extends Error {
  override readonly name = "ProjectionMismatch";
  readonly sequence: number;

  constructor(sequence: number) {
    super(`event ${sequence} does not fit what the events before it say`);
    this.sequence = sequence;
  }
}
