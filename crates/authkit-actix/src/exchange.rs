use std::cell::RefCell;
use std::rc::Rc;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorBadRequest, ErrorInternalServerError},
};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response, header::CONTENT_LENGTH, request::Parts};
use http_body::Body;

use crate::{
    body::{HandlerBody, LayerBody, RequestBody},
    convert,
};

/// The parts of one request and its response that bypass the layer.
///
/// The layer works on a request and a response of `http`. Those of actix have more: the route, the connection, an
/// error. They are kept here while the layer decides, and are never cloned: actix panics if a request that it routes
/// has two owners.
#[derive(Default)]
pub(crate) struct Exchange {
    request: RefCell<Option<HttpRequest>>,
    response: RefCell<Option<(HttpResponse<()>, BodySize)>>,
}

/// The request head that the layer has made, in the request's extensions: for extractors, and for inner layers.
pub(crate) struct HttpParts(pub(crate) Parts);

impl Exchange {
    /// The request for the layer.
    ///
    /// # Errors
    ///
    /// 400 if `http` refuses the request's head.
    pub(crate) fn begin(
        request: ServiceRequest,
    ) -> Result<(Request<RequestBody>, Rc<Self>), Error> {
        let (request, payload) = request.into_parts();
        let mut parts = convert::request_parts(&request).map_err(ErrorBadRequest)?;
        if let Some(HttpParts(outer)) = request.extensions_mut().remove() {
            parts.extensions = outer.extensions;
        }
        let exchange = Rc::new(Self::default());
        exchange.request.replace(Some(request));
        let body = RequestBody { payload, exchange: Rc::clone(&exchange) };
        Ok((Request::from_parts(parts, body), exchange))
    }

    /// The request that the layer lets through, for actix.
    pub(crate) fn let_through(
        request: Request<RequestBody>,
    ) -> Result<(ServiceRequest, Rc<Self>), Error> {
        let (parts, RequestBody { payload, exchange }) = request.into_parts();
        let Some(request) = exchange.request.take() else { return Err(called_twice()) };
        request.extensions_mut().insert(HttpParts(parts));
        Ok((ServiceRequest::from_parts(request, payload), exchange))
    }

    /// The response of actix, for the layer.
    pub(crate) fn answered<B: MessageBody>(
        &self,
        response: ServiceResponse<B>,
    ) -> Result<Response<HandlerBody<B>>, Error> {
        let (request, response) = response.into_parts();
        self.request.replace(Some(request));
        let (mut head, body) = response.into_parts();
        let size = body.size();
        let mut response = Response::new(HandlerBody { body });
        *response.status_mut() = convert::status_of_actix(head.status());
        convert::headers_from_actix(head.headers(), response.headers_mut())
            .map_err(ErrorInternalServerError)?;
        let extensions = head.extensions_mut().remove::<Extensions>();
        *response.extensions_mut() = extensions.unwrap_or_default();
        self.response.replace(Some((head, size)));
        Ok(response)
    }

    /// The response of the layer, for actix: the handler's, or the layer's own.
    pub(crate) fn finish<B: Body<Data = Bytes>>(
        &self,
        response: Response<B>,
    ) -> Result<ServiceResponse<LayerBody<B>>, Error> {
        let (parts, body) = response.into_parts();
        let Some(request) = self.request.take() else { return Err(called_twice()) };
        let status = convert::status(parts.status);
        let (mut head, size) = match self.response.take() {
            Some((head, size)) => (head, Some(size)),
            None => (HttpResponse::new(status).drop_body(), stated_size(&parts.headers)),
        };
        *head.status_mut() = status;
        convert::headers_to_actix(&parts.headers, head.headers_mut())?;
        head.extensions_mut().insert(parts.extensions);
        Ok(ServiceResponse::new(request, head.set_body(LayerBody::new(body, size))))
    }
}

/// The size that a layer states for a body that it leaves out, in its answer to a `HEAD`; actix would state that of nothing.
fn stated_size(headers: &HeaderMap) -> Option<BodySize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok().map(BodySize::Sized)
}

/// No layer of `authkit_tower` calls the service twice, or answers while the service is being called.
fn called_twice() -> Error {
    ErrorInternalServerError("a layer has to call the service once, and answer after that")
}
