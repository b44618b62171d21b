"""The services in which people are called and read: PagerDuty and Confluence."""

from pydantic import Field, HttpUrl, SecretStr

from mcp_tools.settings.base import Group

IDENTIFIER = r"^[A-Za-z0-9_-]{0,64}$"


class PagerDutySettings(Group):
    """One account of PagerDuty. The key comes from PAGERDUTY_API_KEY; the daemon writes it down
    for its own tool servers, in a file that only its user can read."""

    api_key: SecretStr = Field(min_length=1)
    """Key of the REST API."""
    from_email: str = Field(default="", pattern=r"^([^@\s]+@[^@\s]+)?$")
    """In whose name things are changed; without one nothing is."""
    service_id: str = Field(default="", pattern=IDENTIFIER)
    """The service that incidents are opened on when none is named."""
    url: HttpUrl = HttpUrl("https://api.pagerduty.com")
    """Base address of the REST API; EU accounts have another one."""


class ConfluenceSettings(Group):
    """One space of Confluence. The token comes from CONFLUENCE_API_TOKEN, like the key above."""

    base_url: HttpUrl
    """Base address; in the cloud it ends in /wiki."""
    api_token: SecretStr = Field(min_length=1)
    """Token of the account; without `user_email` a personal access token of a Data Center."""
    user_email: str = Field(default="", pattern=r"^[^:\s]*$")
    """The account."""
    space_key: str = Field(default="SRE", pattern=r"^[A-Za-z0-9~._-]{1,255}$")
    """The space that pages are made in and looked up in."""
    parent_page_id: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    """The page below which post-mortems are made; without one at the top of the space."""
