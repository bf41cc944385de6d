"""The one package that the services share: contracts, and the adapters behind them."""
