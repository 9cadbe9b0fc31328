import { memoryFeedBus } from "../memory/memory-feed-bus.ts";
import { feedBusContract } from "./feed-bus.ts";

feedBusContract(async () => {
  const bus = memoryFeedBus();
  const heard: string[] = [];
  bus.listen((kind, text) => void heard.push(`${kind} ${text}`));
  return { bus, heard };
});
