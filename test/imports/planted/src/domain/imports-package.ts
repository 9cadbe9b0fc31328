// planted: domain-imports
export { z } from "zod";
