// The checks of an order that need no server, in the server's own words. The server has the
// last one: ingress/src/order.rs.

/** `errors` as POST /api/create-checkout-session would answer. */
export function errorsIn({ quantity, customer }) {
  const errors = [];
  const wrong = (field, message) => errors.push({ field, message });
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 20) wrong("quantity", "Choose 1 to 20 seats.");
  if (!customer.name.trim()) wrong("customer.name", "Tell us your name.");
  if (!customer.email.trim()) wrong("customer.email", "Tell us your e-mail address.");
  else if (!/^[^\s@<>]+@[^\s@]+\.[^\s@.]{2,}$/.test(customer.email.trim())) {
    wrong("customer.email", "This does not look like an e-mail address.");
  }
  return errors;
}
