import { Confirmation } from "./confirmation";

type Props = { searchParams: Promise<{ session_id?: string }> };

export default async function Page({ searchParams }: Props) {
  const { session_id } = await searchParams;
  return <Confirmation sessionId={session_id} />;
}
