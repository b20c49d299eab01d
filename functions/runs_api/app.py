"""HTTP: execute workflows, and read, list, cancel, resume and delete runs."""

from baton.api.app import handler_for, new_api
from baton.api.routes import runs, service

api = new_api(runs.router, service.router)
handler = handler_for(api)
