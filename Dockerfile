# The server as a container: Aegra, with the packages that requirements.lock pins. compose.yaml builds and runs it.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 UV_COMPILE_BYTECODE=1
WORKDIR /app
RUN pip install --no-cache-dir "uv>=0.9"

# First the packages, which change less often than the code.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --system --no-cache --constraint requirements.lock --requirement pyproject.toml "aegra-api>=0.11,<0.12"

COPY aegra.json LICENSE ./
COPY memory/ memory/
COPY agent/ agent/
COPY graphs/ graphs/

RUN useradd --create-home --uid 10001 agent
USER 10001
EXPOSE 2026
CMD ["uvicorn", "aegra_api.main:app", "--host", "0.0.0.0", "--port", "2026"]
